#!/usr/bin/env bash
# Holds the dependencies to deny.toml: licences, bans, sources; and known vulnerabilities, where their list can be fetched.
#
# What cannot be checked is skipped, and said. With ADVISORIES=required it fails instead: for machines that reach the
# internet, where nobody reads what a run that passed has skipped.
# cargo-deny is the installed one, or one that is installed into .tools of this folder, once (about 100 seconds of processor time).
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2

say() { printf 'deny: %s\n' "$*" >&2; }
skip() {
    say "SKIPPED $*"
    [ "${ADVISORIES:-}" = required ] && exit 1
    exit 0
}

if command -v cargo-deny >/dev/null; then
    deny=cargo-deny
else
    deny=.tools/bin/cargo-deny
    if [ "$("$deny" --version 2>/dev/null || true)" != "cargo-deny $version" ]; then
        say "installing cargo-deny $version into .tools (once)"
        CARGO_TARGET_DIR=.tools/build cargo install --quiet --locked --root .tools --version "$version" cargo-deny || {
            skip "all: cargo-deny is not here and could not be installed"
        }
        rm -rf .tools/build
    fi
fi

# Crates of features that were not built may be missing yet.
for target in x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu; do cargo fetch --quiet --locked --target "$target"; done
"$deny" --offline --locked check licenses bans sources

# The database of advisories is a git repository; where it cannot be reached, that is no fault of the dependencies.
if timeout 20 git ls-remote --quiet https://github.com/rustsec/advisory-db HEAD >/dev/null 2>&1; then
    "$deny" --locked check advisories
else
    skip "advisories: https://github.com/rustsec/advisory-db cannot be reached"
fi
