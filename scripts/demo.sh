#!/usr/bin/env bash
# The main job from end to end, through the real service: makes a table with planted noise, uploads it, submits a job,
# follows it, downloads the result, shows on one screen what was wrong, what was found and what it gained, and stops all it
# started.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/target/release/autodenoise
out=$PWD/demo-out
rm -rf "$out"
mkdir -p "$out"

# In its folder names are short, and a line fits a terminal of 80 columns.
cd "$out"

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
# A command as a shell reads it, on lines that fit; then what comes of it.
show() { printf '%s' "$ autodenoise $*" | fold -s -w 76 | sed -e 's/ *$//' -e '$!s/$/ \\/' -e '2,$s/^/    /'; echo; }
run() { show "$@"; "$bin" "$@"; }

# As root the private PostgreSQL runs as another user, which must be able to reach its folder.
state=$(mktemp -d /tmp/demo.XXXXXX)
chmod 755 "$state"
server=""
stop() {
    if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
        kill -TERM "$server"
        wait "$server" || true
    fi
    rm -rf "$state"
}
trap stop EXIT

step "1. The service, on its own private PostgreSQL"
show serve --listen 127.0.0.1:0 --data-dir "$state/data"
"$bin" serve --listen 127.0.0.1:0 --data-dir "$state/data" >"$state/address" 2>serve.log &
server=$!
for _ in $(seq 600); do
    grep -q '^listening on ' "$state/address" && break
    kill -0 "$server" 2>/dev/null || { echo "the service did not start:"; tail -5 serve.log; exit 1; }
    sleep 0.1
done
AUTODENOISE_SERVER=$(sed -n 's/^listening on //p' "$state/address")
export AUTODENOISE_SERVER
[ -n "$AUTODENOISE_SERVER" ] || { echo "the service did not say where it listens:"; tail -5 serve.log; exit 1; }
echo "listening on $AUTODENOISE_SERVER (log: demo-out/serve.log)"

step "2. A table of clicks with two kinds of corruption, none in its test rows"
run synth clicks.csv --truth truth.csv --users 300 --items 300 --rows 72000 --seed 1 \
    --plant inverted:item:0.1 --plant random:user:0.15
head -3 clicks.csv

step "3. Upload it"
dataset=$(run datasets upload clicks.csv --label click --split-column split --time timestamp | tee >(cat >&2) | tail -1)

step "4. Submit a job that asks for a verdict, and follow it"
job=$(run submit "$dataset" --backbone fm --certify --seed 42 --tag demo=1 | tee >(cat >&2) | tail -1)
# The exit status is the verdict's: 0 certified, 7 not better, 8 inconclusive. The table is handed out in the first case only.
verdict=0
run watch "$job" >result.txt || verdict=$?
case $verdict in 0|7|8) ;; *) exit "$verdict" ;; esac
sed -i 1d result.txt

step "5. Download the results"
run download "$job" --out . 2>files.txt
echo "$(wc -l <files.txt) files are in demo-out"

# The corruption is known here, so what was found can be held against it. It is printed as it is, good or bad.
step "What was wrong, what was found, and what it gained"
python3 - . <<'PY'
import csv, os, sys, textwrap
out = sys.argv[1]
table = lambda name: list(csv.DictReader(open(f"{out}/{name}")))
rows = table("clicks.csv")
corrupt = {int(r["row"]) for r in table("truth.csv") if r["corrupted"] == "1"}
kept = {int(r["row"]) for r in table("indices.csv")}
train = {i for i, r in enumerate(rows) if r["split"] == "train"}
touched = train - kept
if os.path.exists(f"{out}/denoised.csv"):
    # A byte a row of the upload, at the end of the file.
    mask = open(f"{out}/keep_mask.npy", "rb").read()[-len(rows):]
    left = (i for i, is_left in enumerate(mask) if is_left)
    for i, row in zip(left, table("denoised.csv")):
        target, weight = row.get("autodenoise_target"), row.get("autodenoise_weight")
        if target is not None and (abs(float(target) - float(row["click"])) > 0.5 or float(weight) != 1):
            touched.add(i)
say = lambda text: print(textwrap.fill(text, 79, subsequent_indent="  "))
share = lambda some, of: f"{100 * len(some & of) / max(len(of), 1):.0f} %"
say(f"Wrong on purpose: a tenth of the items have inverted labels (0 for 1), and 15 % of the users answer at random. "
    f"{share(corrupt, train)} of the {len(train):,} training rows are corrupt.")
print()
result = open(f"{out}/result.txt").read().splitlines()
for line in result:
    if line.startswith("found:"):
        say(line)
say(f"{share(corrupt, touched)} of the {len(touched):,} rows that were dropped or relabelled are corrupt, and "
    f"{share(touched, corrupt & train)} of the corrupt rows were dropped or relabelled.")
print()
# The end of the result is what came out and what to do next.
for line in "\n".join(result).rsplit("\n\n", 1)[-1].splitlines():
    # The files are here already.
    if not line.startswith("Files: "):
        say(line)
PY
printf '\nThe report, with charts and rows: \033[1m%s\033[0m\n' demo-out/report.html
