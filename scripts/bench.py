#!/usr/bin/env python3
"""Runs `autodenoise bench` and benches/pytorch_expert.py alternately and writes the table of ratios.

    scripts/bench.py [--pairs 3] [--python PYTHON] [--write docs/performance.md] [--device cpu] [--compile]
                     [--table interactions.csv.zst --epochs 50]

Both programs do the same works and print the same JSON lines. Each pair is one run of each, one after the other; the table
holds the medians over the pairs and the median of the pairs' ratios. With --table (MovieLens-1M, as docs/measurements.md
describes it) whole outer epochs of a real job are set beside the same works of the PyTorch program, added up. With --write
the tables replace what stands between the markers `<!-- bench:DEVICE -->`, `<!-- bench:job -->` and `<!-- end -->` of the
file.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent.parent


def works(command, environment=None):
    """The seconds of each work that the program prints."""
    print("+", *command, file=sys.stderr, flush=True)
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    found = {}
    for line in out.splitlines():
        if line.startswith("{"):
            work = json.loads(line)
            found[work["work"]] = work["seconds"]
            print(f"  {work['work']:16} {work['seconds']:9.4f}", file=sys.stderr, flush=True)
    return found


def outer_epochs(program, options, table, epochs, torch):
    """A DeepFM job's outer epochs beside the same works of the PyTorch program: a Markdown table and a sentence."""
    fields = "movie_id,genres,year,user_id,occupation,age,gender,zip"
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "denoise", table, "--out", f"{folder}/kept.csv.zst", "--label", "rating > 3", "--features",
                   fields, "--split-column", "split", "--preset", "paper", "--epochs", str(epochs), "--seed", "7", *options]
        print("+", *command, file=sys.stderr, flush=True)
        started = time.monotonic()
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        ours, passes = {}, {}
        for line in run.stderr:
            print(f"  {time.monotonic() - started:7.1f} s  {line}", end="", file=sys.stderr, flush=True)
            row = re.match(r"(search|validate) (\d+)\b.* ([0-9.]+) s$", line.rstrip())
            if row:
                epoch = int(row[2])
                ours[epoch] = ours.get(epoch, 0) + float(row[3])
                passes[epoch] = passes.get(epoch, 0) + (row[1] == "validate")
        if run.wait():
            sys.exit("the job failed")
        wall = time.monotonic() - started
    theirs = {epoch: torch["search/deepfm"] + torch["select/deepfm"]
              + count * (torch["pass/deepfm"] + torch["eval/deepfm"]) for epoch, count in passes.items()}
    ratios = [theirs[epoch] / ours[epoch] for epoch in ours]
    mean = lambda values: sum(values) / len(values)
    return table_of(
        ["outer epochs", "passes of a retrain", "PyTorch 2.11, s an epoch", "autodenoise, s an epoch", "times as fast",
         "lowest .. highest", "whole job, s"],
        [[str(len(ours)), f"{mean(passes.values()):.1f}", f"{mean(theirs.values()):.1f}", f"{mean(ours.values()):.2f}",
          f"{sum(theirs.values()) / sum(ours.values()):.1f}", f"{min(ratios):.1f} .. {max(ratios):.1f}", f"{wall:.0f}"]])


HEAD = ["work", "PyTorch 2.11, s", "autodenoise, s", "times as fast", "lowest .. highest"]


def compared(pairs):
    """Rows under HEAD, of the works that both do: the medians of the seconds of both programs, and the median of the pairs' ratios."""
    rows = []
    for work in (work for work in pairs[0][1] if work in pairs[0][0]):
        torch = [pair[0][work] for pair in pairs]
        own = [pair[1][work] for pair in pairs]
        ratios = [t / o for t, o in zip(torch, own)]
        rows.append([work, f"{statistics.median(torch):.3f}", f"{statistics.median(own):.4f}",
                     f"{statistics.median(ratios):.1f}", f"{min(ratios):.1f} .. {max(ratios):.1f}"])
    return rows


def table_of(head, rows):
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    line = lambda row: "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
    return "\n".join([line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def write(path, marker, text):
    """Puts the text between a marker and the end that follows it."""
    path = pathlib.Path(path)
    marked = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- end -->)", re.S)
    before = path.read_text()
    if not marked.search(before):
        sys.exit(f"{path} has no markers <!-- {marker} --> and <!-- end -->")
    path.write_text(marked.sub(lambda match: f"{match.group(1)}\n{text}\n\n{match.group(2)}", before, count=1))


def processor():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
        return re.search(r"^model name\s*: (.*)$", text, re.M).group(1)
    except (OSError, AttributeError):
        return platform.machine()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pairs", type=int, default=3)
    arguments.add_argument("--python", default=sys.executable, help="a Python with torch 2.11 and numpy")
    arguments.add_argument("--program", default=str(HERE / "target/release/autodenoise"))
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--compile", action="store_true", help="let PyTorch compile its models")
    arguments.add_argument("--engine", default="auto")
    arguments.add_argument("--table", help="MovieLens-1M as one table")
    arguments.add_argument("--epochs", type=int, default=50)
    arguments.add_argument("--write", help="Markdown file whose table is replaced")
    a = arguments.parse_args()
    options = ["--device", a.device, "--engine", a.engine]
    ours = [a.program, "bench", *options]
    theirs = [a.python, str(HERE / "benches/pytorch_expert.py"), "--device", a.device] + ["--compile"] * a.compile
    # As the service starts its trainers: libtorch's waiting threads do not spin.
    environment = dict(os.environ, OMP_WAIT_POLICY="passive")
    pairs = [(works(theirs), works(ours, environment)) for _ in range(a.pairs)]

    note = f"{processor()}, {len(os.sched_getaffinity(0))} cores; medians of {a.pairs} alternating pairs."
    text = f"{note}\n\n{table_of(HEAD, compared(pairs))}"
    print(text, flush=True)
    if a.write:
        write(a.write, f"bench:{a.device}", text)
    if a.table:
        medians = {work: statistics.median(pair[0][work] for pair in pairs) for work in pairs[0][0]}
        text = outer_epochs(a.program, options, a.table, a.epochs, medians)
        print(text)
        if a.write:
            write(a.write, "bench:job", text)


if __name__ == "__main__":
    main()
