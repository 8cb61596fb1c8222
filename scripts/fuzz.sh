#!/usr/bin/env bash
# Runs every fuzz target for a bounded time from its seeds; what it finds interesting stays in fuzz/corpus, what breaks a
# parser in fuzz/artifacts. cargo-fuzz is installed into .tools of this folder, once.
#   SECONDS_EACH=60 scripts/fuzz.sh [target ...]
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.13.2
if [ "$(.tools/bin/cargo-fuzz --version 2>/dev/null || true)" != "cargo-fuzz $version" ]; then
    echo "fuzz: installing cargo-fuzz $version into .tools (once)" >&2
    CARGO_TARGET_DIR=.tools/build cargo install --quiet --locked --root .tools --version "$version" cargo-fuzz
    rm -rf .tools/build
fi
# libFuzzer's flags of the compiler are not of the stable one, unless it is told so. Without a sanitizer: the parsers are safe
# code.
export RUSTC_BOOTSTRAP=1 PATH="$PWD/.tools/bin:$PATH"
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(csv jsonl parquet spec tus label headers webhook reader)
cargo fuzz build --sanitizer none
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target"
    echo "== $target"
    cargo fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="${SECONDS_EACH:-60}" -timeout=20 -rss_limit_mb=3000 -malloc_limit_mb=2000 -max_len=65536 \
        -print_final_stats=1 2>&1 | grep -vE '^#[0-9]+\s+(NEW|REDUCE|RELOAD|pulse)' | tail -25
done
