#!/usr/bin/env bash
# Sends what the OpenAPI document allows, and what it does not, to a running service, and fails on any answer that the
# document does not have, and on any 5xx. Schemathesis is from PyPI, into .schemathesis of this folder, once.
#   scripts/schemathesis.sh [program] [more arguments for `st run`]
set -euo pipefail
cd "$(dirname "$0")/.."

version=4.32.5
bin=$(realpath "${1:-target/debug/autodenoise}")
shift || true
st=.schemathesis/bin/st
if [ "$("$st" --version 2>/dev/null | awk '{print $NF}')" != "$version" ]; then
    echo "schemathesis: installing $version into .schemathesis (once)" >&2
    rm -rf .schemathesis
    python3 -m venv .schemathesis
    .schemathesis/bin/pip install --quiet "schemathesis==$version"
fi

# As root the private PostgreSQL runs as another user, which must be able to reach its folder.
state=$(mktemp -d /tmp/autodenoise-schemathesis.XXXXXX)
chmod 755 "$state"
server=""
stop() {
    status=$?
    if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
        kill -TERM "$server"
        wait "$server" || { echo "schemathesis: the service ended with an error"; status=1; }
    fi
    if grep -q panicked "$state/log"; then
        echo "schemathesis: the service panicked:"
        grep -m 3 panicked "$state/log"
        status=1
    fi
    rm -rf "$state"
    exit "$status"
}
trap stop EXIT

: >"$state/address"
"$bin" serve --listen 127.0.0.1:0 --data-dir "$state/data" --require-keys --threads 1 \
    --tenant-max-requests 1000000 --tenant-max-jobs 100000 >"$state/address" 2>"$state/log" &
server=$!
until grep -q '^listening on ' "$state/address"; do
    kill -0 "$server" 2>/dev/null || { echo "the service did not start:"; tail -5 "$state/log"; exit 1; }
    sleep 0.1
done
AUTODENOISE_SERVER=$(sed -n 's/^listening on //p' "$state/address")
key() { "$bin" keys create --scope admin --tenant "$1" --data-dir "$state/data" --log warn 2>/dev/null; }
AUTODENOISE_API_KEY=$(key ours)
other=$(key theirs)
export AUTODENOISE_SERVER AUTODENOISE_API_KEY

# Two tenants: one must never see what is the other's.
python3 - "$state/auth.json" "$AUTODENOISE_API_KEY" "$other" <<'PY'
import json, sys
path, *keys = sys.argv[1:]
users = [{"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {key}"}]} for name, key in zip(["ours", "theirs"], keys)]
json.dump({"auth": users}, open(path, "w"))
PY

# One of each thing, so that requests get past "there is no such thing": a job that has ended, one that waits, ...
"$bin" synth "$state/clicks.csv" --users 100 --items 60 --rows 2000 --seed 1
DATASET_ID=$("$bin" datasets upload "$state/clicks.csv" --label click --split-column split --exclude timestamp 2>/dev/null | tail -1)
small='{"batch_size": 256, "epochs": 1, "warmup_epochs": 1, "retrain_max_epoch": 1, "select_ratio": 0.9}'
post() {
    curl --silent --fail-with-body -X POST -H "Authorization: Bearer $AUTODENOISE_API_KEY" "${@:2}" "$AUTODENOISE_SERVER$1"
}
json() { post "$1" -H 'Content-Type: application/json' -d "$2"; }
id() { python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }
job() { json /v1/jobs "{\"dataset_id\": \"$DATASET_ID\", \"method\": {\"preset\": \"paper\", \"backbone\": \"fm\", \"options\": $small}, $1}" | id; }
JOB_ID=$(job '"device": "cpu"')
WAITING_JOB_ID=$(job '"device": "cpu", "requires": {"pool": "none"}')
WEBHOOK_ID=$(json /v1/webhooks '{"url": "https://8.8.8.8/hook"}' | id)
UPLOAD_ID=$(post /v1/uploads -H 'Tus-Resumable: 1.0.0' -H 'Upload-Length: 1000000000' -D - | tr -d '\r' | sed -n 's|^location: uploads/||p')
"$bin" watch "$JOB_ID" >/dev/null 2>&1
for name in DATASET_ID WAITING_JOB_ID JOB_ID WEBHOOK_ID UPLOAD_ID; do
    [ -n "${!name}" ] || { echo "schemathesis: no $name"; exit 1; }
    settings+=(-e "s/@$name@/${!name}/")
done
sed "${settings[@]}" tests/schemathesis/schemathesis.toml >"$state/schemathesis.toml"

"$st" --config-file "$state/schemathesis.toml" run "$AUTODENOISE_SERVER/openapi.json" \
    --auth-wfc "$state/auth.json" --auth-wfc-user ours --generation-database none --no-color \
    --max-examples "${EXAMPLES:-20}" "$@"
