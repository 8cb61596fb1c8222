#!/usr/bin/env bash
# Runs what is in docker/: what is needed is from PyPI and npm, into .containers of this folder, once.
#   scripts/containers.sh image           the image `standalone`, started as it stands, through the main job
#   scripts/containers.sh compose         every role of compose.yaml, through the main job and a preemption
#   scripts/containers.sh kubernetes      the Helm chart: lint, values, schemas of what it renders
#   scripts/containers.sh observability   dashboard, alerts and autoscaler on a real Prometheus
# PROGRAMS has a folder with an autodenoise built already; without it the images compile their own. BASE as for docker/build.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

export PYTHONDONTWRITEBYTECODE=1
say() { printf 'containers: %s\n' "$*" >&2; }

python=.containers/bin/python
if [ ! -e .containers/python-1 ]; then
    say "installing PyYAML, compose-spec, Helm's library and an S3 server into .containers (once)"
    python3 -m venv .containers
    .containers/bin/pip install --quiet pyyaml==6.0.2 compose-spec==0.2.1 helm-python-sdk==0.2.2 'moto[s3,server]==5.2.5'
    touch .containers/python-1
fi

# Installs Debian's packages where a program is missing.
need() {
    local program=$1
    shift
    command -v "$program" >/dev/null && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { say "$program is needed; on Debian: apt-get install $*"; exit 1; }
    say "installing $* from apt"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Containers are run without an engine, in namespaces of their own: an engine may build the image, and buildah has its root.
run_image() {
    local target=$1 test=$2 image
    [ "$(id -u)" = 0 ] || { say "containers are made by root"; exit 1; }
    need buildah buildah debootstrap
    need debootstrap debootstrap
    need ip iproute2
    # A test depends on no registry, unless it is asked to.
    image=$(ENGINE=buildah BASE=${BASE:-debootstrap} docker/build.sh "$target")
    unshare --net --mount "$python" "tests/containers/$test.py" "$image"
}

case ${1:-} in
    image) run_image standalone image ;;
    compose) run_image service compose ;;
    kubernetes)
        command -v npm >/dev/null || { say "npm is needed for the schemas of Kubernetes"; exit 1; }
        if [ ! -e .containers/node-1 ]; then
            npm install --silent --no-audit --no-fund --prefix .containers \
                kubernetes-models@5.1.0 @kubernetes-models/keda@2.0.0 @kubernetes-models/prometheus-operator@6.0.0
            touch .containers/node-1
        fi
        "$python" tests/containers/chart.py >.containers/manifests.json
        node tests/containers/kubernetes.mjs .containers/node_modules <.containers/manifests.json
        ;;
    observability)
        need promtool prometheus
        promtool check rules docker/alerts.yaml
        promtool test rules docker/alerts.test.yaml
        "$python" tests/containers/observability.py "$(realpath "${PROGRAMS:-target/debug}")/autodenoise"
        ;;
    *) say "one of image, compose, kubernetes and observability"; exit 2 ;;
esac
