#!/bin/bash
# Compilers, MPI, /shared and hpc on the head node; run as root at every boot, and each minute until all of it is there.
#
# usage: set_up.sh [packages|mpi|shared|hpc]...    (default: all, in this order; one that fails does not stop the others)
#
# Every step does nothing where there is nothing to do, so that a boot without a network leaves what was there before.
# Environment: HPC_DEPLOYMENT, AWS_REGION, BUNDLE_URL (what hpc head-node setup sends), FILE_SYSTEM_ID and
# ACCESS_POINT_ID (empty: no shared file system); ROOT, a folder to write below instead of /, is for trials.
set -euo pipefail

: "${HPC_DEPLOYMENT:?}" "${AWS_REGION:?}" "${BUNDLE_URL:?}"
root=${ROOT:-}
home=$root/opt/cloud-hpc
bin=$root/usr/local/bin

packages() {
  local wanted=(gcc gcc-c++ gcc-gfortran make git tmux openmpi-devel python3.11)
  if [ -n "${FILE_SYSTEM_ID:-}" ]; then
    wanted+=(amazon-efs-utils)
  fi
  rpm --quiet -q "${wanted[@]}" || dnf --quiet --assumeyes install "${wanted[@]}"
}

# A session of Session Manager reads no profile, so the commands are where every shell looks.
mpi() {
  local name
  mkdir -p "$bin" "$root/etc/ld.so.conf.d"
  for name in mpicc mpicxx mpifort mpirun mpiexec ompi_info; do
    ln -sfn "/usr/lib64/openmpi/bin/$name" "$bin/$name"
  done
  echo /usr/lib64/openmpi/lib > "$root/etc/ld.so.conf.d/cloud-hpc-openmpi.conf"
  ldconfig
}

# As jobs have it: over TLS, through the access point, by right of the role.
shared() {
  [ -n "${FILE_SYSTEM_ID:-}" ] || return 0
  mkdir -p "$root/shared"
  mountpoint --quiet "$root/shared" ||
    mount -t efs -o "tls,iam,accesspoint=${ACCESS_POINT_ID:?}" "$FILE_SYSTEM_ID" "$root/shared"
}

hpc() {
  mkdir -p "$home" "$bin"
  fetch
  make_environment
  write_commands
}

# A bundle that has expired in the bucket is no loss: what was fetched before stays.
fetch() {
  local archive=$home/bundle.tar.gz
  if ! aws s3 cp --region "$AWS_REGION" --only-show-errors "$BUNDLE_URL" "$archive.new"; then
    if [ -d "$home/code" ]; then
      echo "set_up.sh: $BUNDLE_URL: could not be fetched; hpc stays as it was" >&2
      return 0
    fi
    echo "set_up.sh: $BUNDLE_URL: holds hpc, got none; send it, from a checkout, with: hpc head-node setup" >&2
    return 1
  fi
  if [ -d "$home/code" ] && cmp --silent "$archive.new" "$archive"; then
    return 0
  fi
  rm -rf "$home/code.new" "$home/code.old"
  mkdir "$home/code.new"
  tar --extract --gzip --no-same-owner --file "$archive.new" --directory "$home/code.new"
  [ ! -d "$home/code" ] || mv "$home/code" "$home/code.old"
  mv "$home/code.new" "$home/code"
  mv "$archive.new" "$archive"
  rm -rf "$home/code.old"
}

make_environment() {
  local code=$home/code environment=$home/venv sources=()
  if cat "$code/head_node/requirements.txt" "$code/constraints.txt" | cmp --silent - "$environment/made-of"; then
    return 0
  fi
  # Sent along where the network has no way to PyPI.
  if [ -d "$code/wheels" ]; then
    sources=(--no-index --find-links "$code/wheels")
  fi
  rm -rf "$environment"
  python3.11 -m venv "$environment"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check ${sources[@]+"${sources[@]}"} \
    --requirement "$code/head_node/requirements.txt" --constraint "$code/constraints.txt"
  echo "$code" > "$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/cloud_hpc.pth"
  # Last: an environment that was not finished is made anew.
  cat "$code/head_node/requirements.txt" "$code/constraints.txt" > "$environment/made-of"
}

write_commands() {
  local name
  write_command hpc -m runner
  for name in awsbsub awsbstat awsbout awsbkill awsbqueues awsbhosts; do
    write_command "$name" -c "import sys; sys.argv[0] = '$name'; from runner.cli.awsbatch_names import $name; $name()"
  done
}

# usage: write_command NAME PYTHON-ARGUMENT...
write_command() {
  local name=$1
  shift
  {
    echo '#!/bin/sh'
    # A choice of the user's own goes first.
    echo "export HPC_DEPLOYMENT=\"\${HPC_DEPLOYMENT:-$HPC_DEPLOYMENT}\""
    echo "export AWS_DEFAULT_REGION=\"\${AWS_DEFAULT_REGION:-$AWS_REGION}\""
    printf 'exec'
    printf ' %q' "$home/venv/bin/python" "$@"
    echo " \"\$@\""
  } > "$bin/$name.new"
  chmod 755 "$bin/$name.new"
  mv "$bin/$name.new" "$bin/$name"
}

# Each step in a shell of its own: within an `if`, bash would not leave a step at its first failure.
if [ "${1:-}" = --step ]; then
  "$2"
  exit
fi
failed=()
for step in "${@:-packages}"; do
  case $step in
    packages | mpi | shared | hpc) ;;
    *) echo "set_up.sh: a step is packages, mpi, shared or hpc, got '$step'; use one of these" >&2; exit 2 ;;
  esac
done
[ "$#" -gt 0 ] || set -- packages mpi shared hpc
for step in "$@"; do
  bash "$0" --step "$step" || failed+=("$step")
done
if [ "${#failed[@]}" -gt 0 ]; then
  echo "set_up.sh: failed: ${failed[*]}; see above" >&2
  exit 1
fi
