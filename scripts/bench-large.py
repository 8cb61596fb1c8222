#!/usr/bin/env python3
"""Time and memory of one epoch of the paper's method on wide tables of growing size: `autodenoise synth` makes them.

    scripts/bench-large.py [--rows 1000000,3000000,10000000] [--fields 39] [--optimizer lazy_adam] [--warmup-epochs 4] [--work-dir DIR]

39 fields, about a million values in all (fewer with fewer fields). One outer epoch, retrains of one pass. Prints Markdown: seconds of the phases,
the trainer's peak memory, and what it may be: 1.3 times the encoded table, 16 bytes a row, and the models' state.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
EMBED_DIM = 16
MIB = 1 << 20


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", default="1000000,3000000,10000000")
    arguments.add_argument("--fields", type=int, default=39, help="6 or more")
    arguments.add_argument("--optimizer", default="lazy_adam", choices=["adam", "lazy_adam"])
    arguments.add_argument("--warmup-epochs", type=int, default=4)
    arguments.add_argument("--program", default=str(HERE / "target/release/autodenoise"))
    arguments.add_argument("--work-dir", default="/tmp")
    a = arguments.parse_args()
    print("| rows | ids | read s | warm-up s a row | search s | retrain s a pass | encoded MiB | models MiB "
          "| peak MiB | allowed MiB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for rows in map(int, a.rows.split(",")):
        with tempfile.TemporaryDirectory(dir=a.work_dir) as folder:
            measure(a, rows, pathlib.Path(folder))


def measure(a, rows, folder):
    table = folder / "wide.csv"
    subprocess.run([a.program, "synth", table, "--users", "200000", "--items", "100000", "--rows", str(rows),
                    "--contexts", str(a.fields - 5), "--context-values", "20600"], check=True)
    started = time.monotonic()
    run = subprocess.Popen(
        [a.program, "denoise", table, "--out", folder / "kept.csv", "--results", folder / "results", "--label", "click",
         "--exclude", "timestamp", "--split-column", "split", "--vocabulary", "all", "--work-dir", folder,
         "--preset", "paper", "--no-certify", "--tune", "off", "--verbose",
         "--epochs", "1", "--warmup-epochs", str(a.warmup_epochs), "-O", "retrain_max_epoch=1",
         "-O", f"optimizer={a.optimizer}", "--seed", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds, read = {}, None
    for line in run.stderr:
        print(f"  {time.monotonic() - started:7.1f} s  {line}", end="", file=sys.stderr, flush=True)
        if line.startswith("computing on"):
            read = time.monotonic() - started
        if epoch := re.match(r"(warmup|search|validate|all rows)\b.* ([0-9.]+) s$", line.rstrip()):
            seconds.setdefault(epoch[1], []).append(float(epoch[2]))
    if run.wait():
        sys.exit("denoise failed")
    report = json.loads((folder / "results/report.json").read_text())
    ids = cardinality(folder / "results")
    encoded = rows * (a.fields * 4 + 1 + 4)
    # Parameters, two running means and a gradient, of the models alive at once: a warm-up row for each thread beside the
    # policy. The model's tables have EMBED_DIM + 1 columns, the policy's EMBED_DIM.
    side_by_side = min(report["threads"], a.warmup_epochs)
    models = 4 * 4 * ids * (side_by_side * (EMBED_DIM + 1) + EMBED_DIM)
    allowed = 1.3 * encoded + 16 * rows + models
    mean = lambda name: sum(seconds[name]) / len(seconds[name])
    print(f"| {rows:,} | {ids:,} | {read:.0f} | {mean('warmup'):.1f} | {mean('search'):.1f} "
          f"| {mean('validate'):.1f} | {encoded / MIB:.0f} | {models / MIB:.0f} "
          f"| {report['peak_memory_bytes'] / MIB:.0f} | {allowed / MIB:.0f} |", flush=True)


def cardinality(results):
    """Rows of the model's embedding table, from the header of its file."""
    with open(results / "model.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return header["embedding.embedding.weight"]["shape"][0]


if __name__ == "__main__":
    main()
