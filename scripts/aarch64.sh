#!/usr/bin/env bash
# Compiles the program for 64-bit ARM and runs tests of it under emulation: whether the arithmetic of its vector instructions is
# right is seen here, how fast it is is not.
# Needs a cross compiler for C and an emulator (Debian: gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user), and Rust's
# library for the target: `rustup target add aarch64-unknown-linux-gnu`, or a distribution's own cargo with it.
#   scripts/aarch64.sh [arguments of cargo test]
set -euo pipefail
cd "$(dirname "$0")/.."

target=aarch64-unknown-linux-gnu
for tool in aarch64-linux-gnu-gcc aarch64-linux-gnu-g++ qemu-aarch64; do
    command -v "$tool" >/dev/null || { echo "aarch64: there is no $tool; on Debian: apt-get install gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user" >&2; exit 1; }
done
has_library() { [ -n "$(ls "$("$1" --print target-libdir --target $target 2>/dev/null)"/libstd-* 2>/dev/null)" ]; }
if has_library rustc; then
    cargo=cargo
elif [ -x /usr/bin/rustc ] && has_library /usr/bin/rustc; then
    cargo=/usr/bin/cargo
    export RUSTC=/usr/bin/rustc
else
    echo "aarch64: rustc has no library for $target; rustup target add $target" >&2
    exit 1
fi
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
# The loader and the C library must be of one version: where the system has its own of this processor, those of the compiler are
# left alone.
runner=qemu-aarch64
[ -e /lib/ld-linux-aarch64.so.1 ] || runner="qemu-aarch64 -L /usr/aarch64-linux-gnu"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$runner
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++
# One test bounds seconds, which emulation takes more of.
[ $# -gt 0 ] || set -- --lib -- --skip more_faults_than_anybody_reads_are_not_gathered
exec "$cargo" test --locked --target $target "$@"
