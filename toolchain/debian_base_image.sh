#!/usr/bin/env bash
# Write a Debian root file system with apt to stdout, as a tar archive: a base for Dockerfiles that install Debian's
# packages, such as that of containers/mpi. For machines that reach Debian's packages and no registry: from deb.debian.org,
# or from what DEBIAN_MIRROR names. It takes one to two minutes.
#
# usage: toolchain/debian_base_image.sh [SUITE] | podman import - localhost/debian-base   (or docker)
#        podman build --build-arg BASE_IMAGE=localhost/debian-base containers/mpi
#
# SUITE is that of the Dockerfile's own base image by default. Needs mmdebstrap. Settings and certificates of this machine
# are not part of it. Exit codes: 0 written, 1 mmdebstrap is missing or failed (stderr says which), 2 wrong use.
set -euo pipefail

readonly FAILED=1 WRONG_USE=2

cd "$(dirname "$0")/.."
if [ $# -gt 1 ] || [ -t 1 ]; then
  echo "usage: toolchain/debian_base_image.sh [SUITE] >FILE; the archive goes to stdout, got ${*:-a terminal}" >&2
  exit $WRONG_USE
fi
if ! command -v mmdebstrap >/dev/null 2>&1; then
  echo "debian_base_image: mmdebstrap makes a root file system of packages, got none; apt-get install mmdebstrap" >&2
  exit $FAILED
fi
suite=${1:-$(sed -n 's/^ARG BASE_IMAGE=.*debian:\([a-z]*\)-.*/\1/p' containers/mpi/Dockerfile)}

# As in the images of the Docker library, which leave out what nobody reads in a container.
left_out=()
for directory in man info doc locale; do
  left_out+=("--dpkgopt=path-exclude=/usr/share/$directory/*")
done
# What is left of apt's own run goes: the first apt-get update writes it anew.
# shellcheck disable=SC2016  # the hook's own argument: the root file system
mmdebstrap --quiet --variant=minbase --include=ca-certificates "${left_out[@]}" \
  "--dpkgopt=path-include=/usr/share/doc/*/copyright" \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/log/* "$1"/etc/hostname "$1"/etc/resolv.conf' \
  "$suite" - ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} || exit $FAILED
