#!/usr/bin/env bash
# Installs what the build and the tests need and this machine lacks. Safe to run again: a second run does nothing.
#
#   PostgreSQL 15   from apt, only where no initdb is found
#   Chromium        with --torch: Debian's, with its driver, from apt where no chromedriver is found; the tests of the pages
#                   look at them in a real browser
#   .torch/         with --torch, or by itself with --libtorch: the CPU part of libtorch (PyTorch 2.11.0, from PyPI) and the
#                   two small CUDA libraries it links against, which autodenoise-torch needs and autodenoise does not; and CUDA's
#                   headers, with which the library of CUDA graphs is compiled (a folder of before has not all of them: remove it)
#
# AUTODENOISE_TORCH_DIR moves the libtorch folder (to share one between checkouts).
set -euo pipefail
cd "$(dirname "$0")/.."

torch_version=2.11.0
torch_dir=${AUTODENOISE_TORCH_DIR:-$PWD/.torch}
site=$torch_dir/site

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

for tool in cargo gcc python3; do
    command -v "$tool" >/dev/null || die "$tool is needed and was not found; on Debian: apt-get install gcc python3, and Rust from https://rustup.rs"
done

# rust-toolchain.toml names rustup's channel, and this is the version that it must hold.
rust_version=1.95.0
rust=$(cargo --version | cut -d' ' -f2)
[ "$(printf '%s\n' "$rust_version" "$rust" | sort -V | head -n1)" = "$rust_version" ] ||
    die "Rust $rust_version is needed, and cargo is $rust; get it by: rustup update stable"
[ "$rust" = "$rust_version" ] ||
    say "cargo is $rust, and everything was checked with $rust_version: its clippy may ask for more"

# --- libtorch -------------------------------------------------------------------------------------------------------
# pip unpacks the wheels into a folder of the project. --no-deps, because nothing of PyTorch's Python side is used.
if [[ "${1:-}" =~ ^--(lib)?torch$ ]] && [ "$(cat "$torch_dir/version" 2>/dev/null || true)" != "$torch_version" ]; then
    command -v g++ >/dev/null || die "g++ is needed and was not found; on Debian: apt-get install g++"
    python3 -m pip --version >/dev/null 2>&1 || die "pip is needed; on Debian: apt-get install python3-pip"
    say "fetching libtorch $torch_version (530 MB, once) into $torch_dir"
    rm -rf "$torch_dir"
    mkdir -p "$torch_dir"
    python3 -m pip install --quiet --no-deps --no-compile --disable-pip-version-check --target "$site" \
        "torch==$torch_version" 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cupti==13.0.*' 'nvidia-cuda-crt==13.0.*'
    # tch links what it finds in LIBTORCH/lib. libtorch.so as a link to libtorch_cpu.so keeps every CUDA library out of
    # the binary; the CUDA part is opened at run time by the jobs that ask for a GPU.
    mkdir -p "$torch_dir/libtorch/lib"
    ln -s ../site/torch/include "$torch_dir/libtorch/include"
    for name in libtorch_cpu.so libc10.so; do ln -s "../../site/torch/lib/$name" "$torch_dir/libtorch/lib/$name"; done
    ln -s ../../site/torch/lib/libtorch_cpu.so "$torch_dir/libtorch/lib/libtorch.so"
    echo "$torch_version" >"$torch_dir/version"
fi
# The build looks in .torch of the checkout.
[ -e .torch ] || [ ! -d "$torch_dir" ] || ln -s "$torch_dir" .torch

[ "${1:-}" != --libtorch ] || exit 0

# --- packages -------------------------------------------------------------------------------------------------------
# Installs packages from apt, as root or by sudo. The first word says what they are for where that cannot be done.
install() {
    local what=$1 run=""
    shift
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "no $what found; as root: apt-get install $*"
        run="sudo"
    fi
    command -v apt-get >/dev/null || die "no $what found: install it, on Debian by apt-get install $*"
    say "installing $what from apt"
    $run apt-get update -qq
    $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# --- Chromium -------------------------------------------------------------------------------------------------------
if [ "${1:-}" = --torch ] && ! command -v chromedriver >/dev/null; then
    install Chromium chromium chromium-driver fonts-dejavu-core
fi

# --- PostgreSQL -----------------------------------------------------------------------------------------------------
if ! command -v initdb >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    run=""
    [ "$(id -u)" = 0 ] || run="sudo"
    # The service runs its own private cluster: keep Debian from creating and starting one.
    if command -v apt-get >/dev/null && { [ -z "$run" ] || command -v sudo >/dev/null; }; then
        $run mkdir -p /etc/postgresql-common
        [ -e /etc/postgresql-common/createcluster.conf ] ||
            echo 'create_main_cluster = false' | $run tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    install 'PostgreSQL 15' postgresql-15
fi
