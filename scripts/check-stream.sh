#!/usr/bin/env bash
# Reads a CSV of 5 GB from an S3 server on this machine where it is, under a memory limit of 1 GB, and says how long it took and how
# much memory and disk was used. The server is s3rver from npm. The limit is on the address space of the process (ulimit -v).
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/target/release/autodenoise
gigabytes=${1:-5}
test -x .s3/node_modules/.bin/s3rver || npm install --prefix .s3 --silent s3rver@3.7
dir=$(mktemp -d "${TMPDIR:-/tmp}/autodenoise-stream.XXXXXX")
port=$((20000 + RANDOM % 10000))
.s3/node_modules/.bin/s3rver -d "$dir/s3" -a 127.0.0.1 -p "$port" --configure-bucket tables --silent &
server=$!
trap 'kill "$server"; rm -rf "$dir"' EXIT

echo "sending a CSV of $gigabytes GB to the server"
python3 - "$gigabytes" <<'PY' | curl --silent --fail --retry 10 --retry-connrefused -T - "http://127.0.0.1:$port/tables/large.csv"
import random, sys
size = int(float(sys.argv[1]) * 1e9)
random.seed(1)
# Long values in a column that is not used: the file is large, and what is trained on is not.
note = "x" * 3900
rows = "".join(f"u{random.randrange(100_000)},i{random.randrange(50_000)},{note},{random.randrange(2)}\n" for _ in range(2000))
written = sys.stdout.write("user,item,note,click\n")
while written < size:
    written += sys.stdout.write(rows)
PY
echo "reading it where it is with at most 1 GB of memory"
export AWS_ENDPOINT=http://127.0.0.1:$port AWS_ALLOW_HTTP=true AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=S3RVER AWS_SECRET_ACCESS_KEY=S3RVER
python3 - "$bin" "$dir" <<'PY'
import os, resource, subprocess, sys, time
binary, folder = sys.argv[1:]
work = f"{folder}/work"
os.makedirs(work)
command = [binary, "datasets", "check", "s3://tables/large.csv", "--stream", "--label", "click", "--exclude", "note", "--work-dir", work]
start, most = time.time(), 0
process = subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9)))
while process.poll() is None:
    size = 0
    for parent, _, files in os.walk(work):
        for name in files:
            try:
                size += os.stat(f"{parent}/{name}").st_blocks * 512
            except FileNotFoundError:
                pass
    most = max(most, size)
    time.sleep(0.2)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"exit status {process.returncode}, {time.time() - start:.1f} s, at most {peak / 1024:.0f} MiB resident and {most / 2**20:.0f} MiB of disk")
sys.exit(process.returncode)
PY
