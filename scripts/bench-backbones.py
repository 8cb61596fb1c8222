#!/usr/bin/env python3
"""Runs `autodenoise-torch bench` and benches/pytorch_backbones.py alternately for each of the further backbones.

    scripts/bench-backbones.py [--pairs 3] [--python PYTHON] [--device cpu] [--only afn,autoint] [--write docs/performance.md]

Both programs train one pass on the same table. A pass of the wide models takes minutes, so fewer rows are run of them; the
table says what a pass over MovieLens-1M's 800,167 rows would take at that rate. Each pair is one run of each, one after the
other; the table holds the quickest of each, because whatever else a machine does only ever makes a run slower. With
--write it replaces what stands between the markers `<!-- bench:backbones-DEVICE -->` and `<!-- end -->` of the file.
"""
import argparse
import os
import sys

from bench import HERE, processor, table_of, works, write

PASS = 800_167
BATCH = 2048
# Batches that are run of a backbone.
BATCHES = {"lr": 100, "hofm": 100, "ffm": 100, "fnn": 100, "opnn": 50, "nfm": 100, "fnfm": 100, "ncf": 100, "xdeepfm": 50,
           "afm": 50, "autoint": 20, "afn": 3, "dcnv2": 100, "gdcn": 100, "masknet": 100, "finalmlp": 100}
HEAD = ["backbone", "PyTorch 2.11, s a pass", "autodenoise-torch, s a pass", "times as fast"]


def compare(kind, python, program, device, pairs, batches):
    """Seconds of a whole pass of the PyTorch program and of ours, the quickest of the pairs."""
    rows, work = batches * BATCH, f"pass/{kind}"
    of = ["--rows", str(rows), "--only", work]
    theirs = [python, str(HERE / "benches/pytorch_backbones.py"), "--device", device.split(":")[0], *of]
    ours = [program, "bench", "--engine", "tch", "--device", device, *of]
    # As the service starts its trainers: libtorch's waiting threads do not spin. The same for both.
    environment = dict(os.environ, OMP_WAIT_POLICY="passive")
    seconds = [(works(theirs, environment)[work], works(ours, environment)[work]) for _ in range(pairs)]
    return [min(column) * PASS / rows for column in zip(*seconds)]


def table(kinds, python, program, device, pairs, most_batches):
    rows = []
    for kind in kinds:
        theirs, ours = compare(kind, python, program, device, pairs, min(BATCHES[kind], most_batches))
        rows.append([kind, f"{theirs:.2f}", f"{ours:.2f}", f"{theirs / ours:.2f}"])
    return table_of(HEAD, rows)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pairs", type=int, default=3)
    arguments.add_argument("--python", default=sys.executable, help="a Python with torch 2.11 and numpy")
    arguments.add_argument("--program", default=str(HERE / "target/release/autodenoise-torch"))
    arguments.add_argument("--device", default="cpu", help="cpu or cuda:0")
    arguments.add_argument("--only", default=",".join(BATCHES), help="backbones, by commas")
    arguments.add_argument("--most-batches", type=int, default=max(BATCHES.values()))
    arguments.add_argument("--write", help="Markdown file whose table is replaced")
    a = arguments.parse_args()
    note = f"{processor()}, {len(os.sched_getaffinity(0))} cores; the quickest of {a.pairs} alternating runs."
    text = f"{note}\n\n{table(a.only.split(','), a.python, a.program, a.device, a.pairs, a.most_batches)}"
    print(text)
    if a.write:
        write(a.write, f"bench:backbones-{a.device.split(':')[0]}", text)


if __name__ == "__main__":
    main()
