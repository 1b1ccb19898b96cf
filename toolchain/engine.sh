#!/usr/bin/env bash
# See that there is a container engine for the tests marked `container`: install podman from Debian's packages where there
# is none, this is root, and apt-get is there. No service is started and no image fetched: the tests do both by themselves.
#
# usage: toolchain/engine.sh
#
# Exit codes: 0 there is an engine, 1 there is none and none could be installed (stderr says why).
set -euo pipefail

readonly PATIENCE=600
readonly PACKAGES=(podman runc netavark catatonit)

say() { printf 'engine: %s\n' "$*" >&2; }

if command -v podman >/dev/null 2>&1 || { command -v docker >/dev/null 2>&1 && timeout 20 docker info >/dev/null 2>&1; }; then
  exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  say "no podman and no Docker that answers, and only root with apt-get can install one here"
  exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  DEBIAN_FRONTEND=noninteractive timeout "$PATIENCE" \
    apt-get -y -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" >>"$log" 2>&1
}
say "installing ${PACKAGES[*]}"
# The package lists of a fresh machine are absent or old; with current ones an update is a second lost.
if ! { apt update && apt install --no-install-recommends "${PACKAGES[@]}"; }; then
  say "podman could not be installed; apt-get said last:"
  tail -n 5 "$log" >&2
  exit 1
fi
