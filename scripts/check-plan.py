#!/usr/bin/env python3
"""What `denoise --plan` says against what the runs take, in time and memory, as a table of docs/performance.md.

    scripts/check-plan.py PROGRAM TABLE    TABLE is MovieLens-1M as `autodenoise import movielens-1m` writes it

The middle of three plans counts. Nothing else should run meanwhile.
"""

import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CASES = {
    "default": [],
    "default, FM": ["--backbone", "fm"],
    "default, IPNN": ["--backbone", "ipnn"],
    "default, DCN": ["--backbone", "dcn"],
    "default, Wide & Deep": ["--backbone", "wide_deep"],
    "default and 3 others": ["--compare", "random_drop,loss_drop,trim"],
    "`--preset paper`": ["--preset", "paper"],
    "`--preset paper`, FM": ["--preset", "paper", "--backbone", "fm"],
}
# Rows, and the cases that take minutes at most with as many.
SIZES = {20_000: ["default"], 100_000: list(CASES), 1_000_209: ["default", "default, FM", "default and 3 others"]}
TABLE = ["--label", "rating > 3", "--split-column", "split", "--features", "movie_id,genres,user_id,age,zip"]


def sample(table: Path, rows: int, out: Path) -> None:
    """Writes the header and about so many of the rows."""
    chance = random.Random(6)
    with table.open(newline="") as source, out.open("w", newline="") as target:
        reader, writer = csv.reader(source), csv.writer(target)
        writer.writerow(next(reader))
        writer.writerows(row for row in reader if chance.random() < rows / 1_000_209)


def ask(program: str, *words: str) -> dict:
    """The JSON that a command prints; a verdict other than `certified` is no fault."""
    done = subprocess.run([program, "denoise", *words, "--json", "-q"], capture_output=True, text=True)
    if done.returncode not in (0, 7, 8):
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def main() -> None:
    program, table = sys.argv[1], Path(sys.argv[2])
    print("| rows | job | planned | took | ratio | memory planned | peak | ratio |\n|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for rows, names in SIZES.items():
            file = Path(folder) / f"{rows}.csv"
            sample(table, rows, file)
            for name in names:
                words = [str(file), "-o", f"{folder}/out.csv", *TABLE, *CASES[name]]
                plans = sorted((ask(program, *words, "--plan") for _ in range(3)), key=lambda plan: plan["seconds"]["value"])
                began = time.monotonic()
                report = ask(program, *words, "--if-refused", "kept")
                took, planned = time.monotonic() - began, plans[1]["seconds"]["value"]
                memory, peak = (bytes / 2**20 for bytes in (plans[1]["memory_bytes"], report["peak_memory_bytes"]))
                print(
                    f"| {rows:,} | {name} | {planned:.1f} s | {took:.1f} s | {planned / took:.2f} "
                    f"| {memory:.0f} MiB | {peak:.0f} MiB | {memory / peak:.2f} |",
                    flush=True,
                )


main()
