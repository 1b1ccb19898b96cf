#!/usr/bin/env bash
# See that there are sshd, ssh and ip for the tests marked `sshd`: install them from Debian's packages where one is missing,
# this is root, and apt-get is there. No server is started: the tests start their own, as they need them.
#
# usage: toolchain/ssh_server.sh
#
# Exit codes: 0 they are there, 1 one is missing and could not be installed (stderr says why).
set -euo pipefail

readonly PATIENCE=600
readonly PACKAGES=(openssh-server openssh-client iproute2)

say() { printf 'ssh_server: %s\n' "$*" >&2; }

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
if command -v sshd >/dev/null 2>&1 && command -v ssh >/dev/null 2>&1 && command -v ip >/dev/null 2>&1; then
  exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  say "sshd, ssh or ip is missing, and only root with apt-get can install them here"
  exit 1
fi

log=$(mktemp)
trap 'rm -rf "$log" "${policy:-}"' EXIT
apt() {
  DEBIAN_FRONTEND=noninteractive timeout "$PATIENCE" \
    apt-get -y -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" >>"$log" 2>&1
}
if [ ! -e /usr/sbin/policy-rc.d ]; then
  # Debian's way to install a server without starting it: https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt
  policy=/usr/sbin/policy-rc.d
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
say "installing ${PACKAGES[*]}"
if ! { apt update && apt install --no-install-recommends "${PACKAGES[@]}"; }; then
  say "they could not be installed; apt-get said last:"
  tail -n 5 "$log" >&2
  exit 1
fi
