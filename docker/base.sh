#!/usr/bin/env bash
# Makes the images to build on of Debian's packages by debootstrap, as root, for machines that reach no registry:
#   localhost/autodenoise-base:bookworm   what the service runs on
#   localhost/autodenoise-build:bookworm  the same with a C compiler, for a Rust that is mounted at /usr/local/rust; it trusts
#                                         whom this machine trusts
# What is there already is left as it is. MIRROR names a mirror of Debian other than debootstrap's own.
set -euo pipefail

suite=bookworm
authorities=/etc/ssl/certs/ca-certificates.crt

make_image() {
    local image=localhost/autodenoise-$1:$suite packages=$2 root container
    ! buildah inspect --type image "$image" >/dev/null 2>&1 || return 0
    command -v debootstrap >/dev/null || { echo "image: debootstrap is needed: apt-get install debootstrap" >&2; exit 1; }
    echo "image: making $image of Debian's packages" >&2
    root=$(mktemp -d)
    # Unset at the end, so that a root that could not be made is removed too.
    trap 'rm -rf "$root"' EXIT
    debootstrap --variant=minbase --include="$packages" "$suite" "$root" ${MIRROR:+"$MIRROR"} >"$root.log" 2>&1 ||
        { tail -n 5 "$root.log" >&2; exit 1; }
    rm -rf "$root.log" "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    if [ "$1" = build ]; then
        # Where a proxy looks into TLS, cargo and pip get nothing without its authority. What runs has Debian's authorities alone.
        [ ! -e "$authorities" ] || cp -L "$authorities" "$root$authorities"
        for program in cargo rustc rustdoc; do ln -s "/usr/local/rust/bin/$program" "$root/usr/local/bin/$program"; done
    fi
    container=$(buildah from scratch)
    buildah copy --quiet "$container" "$root" / >/dev/null
    buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah commit --quiet --rm "$container" "$image" >/dev/null
    rm -rf "$root"
    trap - EXIT
}

make_image base ca-certificates
make_image build ca-certificates,gcc,libc6-dev,make,cmake
