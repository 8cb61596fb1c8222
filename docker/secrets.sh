#!/usr/bin/env bash
# Makes what compose.yaml needs to know and nobody else may: docker/.env with passwords, docker/secrets/first.key with a key of
# scope admin, both once. The folder is closed to others; the key within is readable, because the server's user is another.
set -euo pipefail
cd "$(dirname "$0")"

random() { od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }

umask 077
mkdir -p secrets
if [ ! -e secrets/first.key ]; then
    echo "adk_$(random 16)_$(random 32)" >secrets/first.key
    chmod 444 secrets/first.key
fi
if [ ! -e .env ]; then
    printf 'AUTODENOISE_DB_PASSWORD=%s\nAUTODENOISE_BUCKET_SECRET=%s\n' "$(random 24)" "$(random 24)" >.env
fi
