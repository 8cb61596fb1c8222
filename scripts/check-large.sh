#!/usr/bin/env bash
# Reads a CSV of 5 GB under a memory limit of 1 GB, and says how long it took and how much memory was used.
# The limit is on the address space of the process (ulimit -v), which counts more than what is resident.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/target/release/autodenoise
dir=$(mktemp -d "${TMPDIR:-/tmp}/autodenoise-large.XXXXXX")
trap 'rm -rf "$dir"' EXIT
gigabytes=${1:-5}

echo "making a CSV of $gigabytes GB in $dir"
python3 - "$dir/large.csv" "$gigabytes" <<'PY'
import random, sys
path, size = sys.argv[1], int(float(sys.argv[2]) * 1e9)
random.seed(1)
# A block of rows is written again and again with another user prefix, so that making the file is quick and users are many.
rows = [f"{random.randrange(100_000)},i{random.randrange(50_000)},c{random.randrange(300)},{random.random():.4f},d{random.randrange(8)},{random.randrange(2)}\n" for _ in range(200_000)]
with open(path, "w") as out:
    written = out.write("user,item,category,price,device,click\n")
    block = 0
    while written < size:
        prefix = f"u{block % 4}_"
        written += out.write("".join(prefix + row for row in rows))
        block += 1
PY
ls -l "$dir/large.csv"
echo "reading it with at most 1 GB of memory"
python3 - "$bin" "$dir" <<'PY'
import os, resource, subprocess, sys, time
binary, folder = sys.argv[1:]
os.makedirs(f"{folder}/work")
start = time.time()
done = subprocess.run([binary, "datasets", "check", f"{folder}/large.csv", "--label", "click", "--work-dir", f"{folder}/work"],
    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9)))
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"exit status {done.returncode}, {time.time() - start:.1f} s, at most {peak / 1024:.0f} MiB resident")
sys.exit(done.returncode)
PY
