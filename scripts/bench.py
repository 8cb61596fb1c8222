#!/usr/bin/env python3
"""Runs `autodenoise bench` and benches/pytorch_expert.py alternately and writes the table of ratios.

    scripts/bench.py [--pairs 3] [--python PYTHON] [--write docs/performance.md] [--device cpu] [--compile]

Both programs do the same works and print the same JSON lines. Each pair is one run of each, one after the other; the table
holds the medians over the pairs and the median of the pairs' ratios. With --write the table replaces what stands between
the markers `<!-- bench:DEVICE -->` and `<!-- end -->` of the file.
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
    arguments.add_argument("--write", help="Markdown file whose table is replaced")
    a = arguments.parse_args()
    ours = [a.program, "bench", "--device", a.device, "--engine", a.engine]
    theirs = [a.python, str(HERE / "benches/pytorch_expert.py"), "--device", a.device] + ["--compile"] * a.compile
    # As the service starts its trainers: libtorch's waiting threads do not spin.
    environment = dict(os.environ, OMP_WAIT_POLICY="passive")
    pairs = [(works(theirs), works(ours, environment)) for _ in range(a.pairs)]

    rows = []
    for work in pairs[0][1]:
        torch = [pair[0][work] for pair in pairs]
        own = [pair[1][work] for pair in pairs]
        ratio = statistics.median(t / o for t, o in zip(torch, own))
        spread = f"{min(t / o for t, o in zip(torch, own)):.1f} .. {max(t / o for t, o in zip(torch, own)):.1f}"
        rows.append([work, f"{statistics.median(torch):.3f}", f"{statistics.median(own):.4f}", f"{ratio:.1f}", spread])
    head = ["work", "PyTorch 2.11, s", "autodenoise, s", "times as fast", "lowest .. highest"]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    line = lambda row: "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
    table = [line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)]
    note = f"{processor()}, {len(os.sched_getaffinity(0))} cores; medians of {a.pairs} alternating pairs."
    text = "\n".join([note, "", *table])
    print(text)
    if a.write:
        path = pathlib.Path(a.write)
        before = path.read_text()
        marked = re.compile(rf"(<!-- bench:{a.device} -->\n).*?(<!-- end -->)", re.S)
        if not marked.search(before):
            sys.exit(f"{path} has no markers <!-- bench:{a.device} --> and <!-- end -->")
        path.write_text(marked.sub(lambda match: f"{match.group(1)}\n{text}\n\n{match.group(2)}", before))


if __name__ == "__main__":
    main()
