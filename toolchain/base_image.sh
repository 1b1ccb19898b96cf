#!/usr/bin/env bash
# Write a base image's root file system to stdout, as a tar archive, from this machine's own files: a shell, coreutils,
# the Python that the checkout uses, pip with this machine's settings and certificates. For machines that reach no
# registry, and for tests: nothing is downloaded, and it takes a few seconds.
#
# usage: toolchain/base_image.sh | podman import - localhost/local-batch-base   (or docker)
#        hpc local up --executor container --base-image localhost/local-batch-base
#
# Linux only. Images built on it are for this machine, never for a registry. Exit codes: 0 written, 2 wrong use.
set -euo pipefail

readonly PROGRAMS=(
  sh bash base64 basename cat chmod chown comm cp cut date dd df dirname du echo env expr false fold head hostname id
  install join kill ln ls md5sum mkdir mkfifo mktemp mv nice nl nohup nproc od paste printenv printf pwd readlink realpath
  rm rmdir seq setsid sha256sum shuf sleep sort split stat stty sync tac tail tee test timeout touch tr true truncate
  uname uniq unlink wc whoami yes
  awk cmp diff find getent grep gzip sed tar which xargs
)
# What programs and compiled packages open by name, where ldd does not see it.
readonly LIBRARIES=(libgcc_s.so.1 libstdc++.so.6 libgomp.so.1 libz.so.1 libpthread.so.0 libdl.so.2 librt.so.1 libutil.so.1)

cd "$(dirname "$0")/.."
if [ $# -ne 0 ] || [ -t 1 ]; then
  echo "usage: toolchain/base_image.sh >FILE; the archive goes to stdout, got ${*:-a terminal}" >&2
  exit 2
fi
python=${PYTHON:-.venv/bin/python}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/{dev,etc/ssl/certs,proc,root,run,sys,usr/bin,usr/lib,usr/lib64,usr/local/bin,usr/local/lib,var/tmp}
mkdir -m 1777 "$root/tmp"
chmod 1777 "$root/var/tmp"
ln -s usr/bin "$root/bin"
ln -s usr/bin "$root/sbin"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"

for name in "${PROGRAMS[@]}"; do
  # Some are built into shells on some systems; type -P gives files alone.
  file=$(type -P "$name") || continue
  cp -L "$file" "$root/usr/bin/$name"
done

read -r stdlib version pip executable < <("$python" -c '
import pathlib, pip, sys, sysconfig
print(sysconfig.get_path("stdlib"), "%d.%d" % sys.version_info[:2], pathlib.Path(pip.__file__).parent,
      pathlib.Path(sys.executable).resolve())')
site="$root/usr/local/lib/python$version/site-packages"
cp -L "$executable" "$root/usr/local/bin/python$version"
ln -s "python$version" "$root/usr/local/bin/python3"
ln -s "python$version" "$root/usr/local/bin/python"
tar -C "$stdlib" --exclude=__pycache__ --exclude=./site-packages --exclude=./dist-packages --exclude=./test \
  --exclude=./idlelib --exclude=./tkinter --exclude='./config-*' --exclude=./EXTERNALLY-MANAGED -c . |
  (mkdir -p "$site" && tar -C "$root/usr/local/lib/python$version" -x)
cp -r "$pip" "$site/pip"
# pip takes only what carries its metadata for installed.
cp -r "$(dirname "$pip")"/pip-*.dist-info "$site/"
printf '#!/bin/sh\nexec python3 -m pip "$@"\n' >"$root/usr/local/bin/pip"
chmod 755 "$root/usr/local/bin/pip"

libraries() {
  find "$root/usr/bin" "$root/usr/local" -type f \( -perm -100 -o -name '*.so*' \) | while read -r file; do
    # Scripts and static programs need none.
    ldd "$file" 2>/dev/null || continue
  done | grep -oE '(=> )?/[^ ]+ \(0x' | sed -E 's/^=> //; s/ \(0x$//'
  for name in "${LIBRARIES[@]}"; do
    ldconfig -p | awk -v name="$name" '$1 == name && !found { print $NF; found = 1 }'
  done
}
libraries | sort -u | while read -r library; do
  cp -L --parents "$library" "$root"
done

printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
for bundle in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
  if [ -n "$bundle" ] && [ -f "$bundle" ]; then
    cp -L "$bundle" "$root/etc/ssl/certs/ca-certificates.crt"
    break
  fi
done
if [ -f /etc/pip.conf ]; then
  cp /etc/pip.conf "$root/etc/pip.conf"
fi

chmod -R a+rX "$root"
tar -C "$root" --owner=0 --group=0 --numeric-owner -c .
