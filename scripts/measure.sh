#!/usr/bin/env bash
# MovieLens-1M through the service over REST: every backbone with and without denoising, and the sanity run of one
# unshuffled pass. Prints Markdown. The file has the columns of docs/measurements.md; it is not part of this project.
#   scripts/measure.sh interactions.csv.zst
set -euo pipefail
file=$(realpath "${1:?give the table: scripts/measure.sh interactions.csv.zst}")
cd "$(dirname "$0")/.."
bin=$PWD/target/release/autodenoise
state=$(mktemp -d /tmp/autodenoise-measure.XXXXXX)
chmod 755 "$state"
stop() {
    kill -TERM "$server" 2>/dev/null && wait "$server" || true
    rm -rf "$state"
}
"$bin" serve --listen 127.0.0.1:0 --data-dir "$state/data" >"$state/address" 2>"$state/log" &
server=$!
trap stop EXIT
until grep -qs '^listening on ' "$state/address"; do kill -0 "$server"; sleep 0.1; done
AUTODENOISE_SERVER=$(sed -n 's/^listening on //p' "$state/address")
export AUTODENOISE_SERVER

fields=movie_id,genres,year,user_id,occupation,age,gender,zip
started=$(date +%s.%N)
dataset=$("$bin" datasets upload "$file" --label 'rating > 3' --features "$fields" --split-column split)
printf 'Upload and ingest of %s rows: %.1f s\n\n' \
    "$("$bin" datasets show "$dataset" | python3 -c 'import json,sys; r=json.load(sys.stdin)["profile"]["rows"]; print(sum(r.values()))')" \
    "$(python3 -c "import time; print(time.time() - $started)")"

finish() { "$bin" watch "$1" >/dev/null 2>&1; "$bin" download "$1" --artifacts report.json --out "$state/$1" 2>/dev/null; }
show() {
    python3 - "$1" "$state/$2/report.json" <<'PY'
import json, sys
name, path = sys.argv[1:]
report = json.load(open(path))
for arm in report["arms"]:
    print(f"| {name} | {arm['arm']} | {arm['train_rows']} | {arm['passes']} | {arm['valid']['auc']:.4f} | {arm['test']['auc']:.4f} | {arm['test']['logloss']:.4f} | {arm['seconds']:.1f} | {report['seconds']:.1f} |")
for warning in report["warnings"]:
    print(f"<!-- {name}: {warning['message']} -->", file=sys.stderr)
PY
}
echo '| job | trained on | rows | passes | valid AUC | test AUC | test log-loss | retrain s | job s |'
echo '|---|---|---|---|---|---|---|---|---|'
sanity=$("$bin" submit "$dataset" --method none --backbone deepfm --seed 12345 -O retrain_max_epoch=1 -O retrain_shuffle=false)
finish "$sanity"
show 'deepfm, one unshuffled pass' "$sanity"
for backbone in deepfm fm wide_deep dcn ipnn; do
    job=$("$bin" submit "$dataset" --backbone $backbone --preset paper --warmup-epochs 4 --epochs 3 --select-ratio 0.98 --seed 7)
    finish "$job"
    show "$backbone, C = 4, T = 3" "$job"
done
