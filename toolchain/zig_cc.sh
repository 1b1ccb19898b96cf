#!/bin/sh
# A C compiler, or a C++ one, for machines that have none: clang as the wheel `ziglang` carries it. set-up links this as
# .venv/bin/zig-cc and .venv/bin/zig-c++ there, and the name it is called by says which of the two it is.
#
# usage: zig-cc ARGUMENT-OF-CLANG...      or, for MPI programs: MPICH_CC=zig-cc mpicc ... (OMPI_CC of Open MPI)
#
# Needs nothing but itself on the PATH. Exit codes: those of clang; 127 where the wheel is not installed.
set -eu

environment=${0%/bin/*}
for zig in "$environment"/lib/python3*/site-packages/ziglang/zig; do
  [ -x "$zig" ] && break
  echo "zig-cc: the wheel ziglang in $environment, got none; install it: toolchain/setup.sh run" >&2
  exit 127
done

# Zig builds the C library's start-up files once, which takes seconds, and keeps them; a job's HOME is new every time.
if [ -w "$environment/zig-cache" ]; then
  export ZIG_GLOBAL_CACHE_DIR="$environment/zig-cache"
fi
case "${0##*/}" in
  *++) language=c++ ;;
  *) language=cc ;;
esac
# Without -O zig would make programs end at undefined behaviour, as no other compiler does by itself.
exec "$zig" "$language" -fno-sanitize=undefined "$@"
