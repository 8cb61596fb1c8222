#!/usr/bin/env bash
# Builds an image of the service with docker or podman, or else with buildah, which needs neither a daemon nor root's rights
# over the machine. The last line printed is the image's name.
#   docker/build.sh [service|service-torch|standalone] [more arguments for the build]
#
# BASE, RUST    images to build on; `debootstrap` makes them of Debian's packages and of this machine's Rust
# PROGRAMS      folder with an autodenoise built already, in place of compiling it in the image
# IMAGE         name of the image [default: autodenoise:TARGET]
# ENGINE        docker, podman or buildah [default: the first that works]
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:-standalone}
[ $# = 0 ] || shift
image=${IMAGE:-localhost/autodenoise:$target}
base=${BASE:-docker.io/library/debian:bookworm-slim}
rust=${RUST:-docker.io/library/rust:1.95-bookworm}

say() { printf 'image: %s\n' "$*" >&2; }

works() {
    case $1 in
        docker | podman) command -v "$1" >/dev/null && "$1" info >/dev/null 2>&1 ;;
        buildah) command -v buildah >/dev/null ;;
    esac
}

engine=${ENGINE:-}
for candidate in docker podman buildah; do
    [ -n "$engine" ] || ! works "$candidate" || engine=$candidate
done
[ -n "$engine" ] || { say "docker, podman or buildah is needed; on Debian: apt-get install buildah"; exit 1; }

arguments=(
    --file Dockerfile --target "$target" --tag "$image"
    --build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n1)"
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)"
)
if [ "$engine" = buildah ]; then
    # The format of docker keeps the health check. `chroot` works where no namespaces can be made, as within containers.
    arguments+=(--isolation chroot --format docker --layers)
    # A registry that is not reached, or not there: Debian's packages and this machine's Rust do as well.
    if [ "$base" != debootstrap ] && ! buildah pull --quiet --policy missing "$base" >/dev/null; then
        say "$base cannot be had: the base is made of Debian's packages"
        base=debootstrap
    fi
    if [ "$base" = debootstrap ]; then
        docker/base.sh
        base=localhost/autodenoise-base:bookworm
        rust=localhost/autodenoise-build:bookworm
        if [ -z "${PROGRAMS:-}" ] || [ "$target" = service-torch ]; then
            sysroot=$(rustc --print sysroot 2>/dev/null || true)
            [ -x "$sysroot/bin/cargo" ] || { say "a Rust of rustup is needed to compile here; or name PROGRAMS"; exit 1; }
            arguments+=(--volume "$sysroot:/usr/local/rust:ro")
        fi
    fi
elif [ "$base" = debootstrap ]; then
    say "BASE=debootstrap is for buildah"
    exit 1
fi
arguments+=(--build-arg "BASE=$base" --build-arg "RUST=$rust")
[ -z "${PROGRAMS:-}" ] || arguments+=(--build-context "programs=$PROGRAMS")

say "building $image with $engine"
"$engine" build "${arguments[@]}" "$@" . >&2
echo "$image"
