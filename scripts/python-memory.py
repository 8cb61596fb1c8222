#!/usr/bin/env python3
"""Measures what a large frame costs in memory: Python's beyond the frame itself, and the program's.

    scripts/python-memory.py [--rows ROWS] [--table CSV] [KIND]...      in the environment that the package is installed in

A table of ROWS rows is made, or CSV read. Each kind of frame, pandas, polars and pyarrow, has a process of its own, which
checks the table, denoises it by a method that takes a moment, and takes the rows to train on. It fails where the frame and
what is needed beside it are more than twice the frame; of the rows to train on only what is needed beside them counts, as
the frame that is given back is its owner's.
"""

import argparse
import ctypes
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

KINDS = ("pandas", "polars", "pyarrow")
HANDING_OVER = ("check", "denoise")
STEPS = (*HANDING_OVER, "apply")
# Of the frame's memory, the frame included.
MOST = 2.0
# Of the frame's memory, beside the frame and the one that is given back; and MiB that do not grow with the frame.
MOST_BESIDE_ROWS = 0.2
FIXED_MIB = 32
READING = {"label": "click", "split_column": "split", "exclude": ["timestamp"]}
METHOD = {"method": "random_drop", "backbone": "fm", "tune": "off", "option": {"retrain_max_epoch": 1}, "certify": False}
MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--table", type=Path, help="a table of `autodenoise synth`")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.kinds[0], args.table)))
        return
    with tempfile.TemporaryDirectory(prefix="autodenoise-memory-") as folder:
        table = args.table or make_table(Path(folder) / "table.csv", args.rows)
        over = []
        print("| frame | MiB | `check` | `denoise` | `apply` | of it given back | program, MiB |")
        print("|---|---|---|---|---|---|---|")
        for kind in args.kinds or KINDS:
            command = [sys.executable, __file__, kind, "--measure", "--table", table]
            told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            shares = [f"{told[name]:.2f}" for name in (*STEPS, "rows")]
            print(f"| {kind} | {told['frame']:.0f} | {' | '.join(shares)} | {told['program']:.0f} |", flush=True)
            over += [f"{kind}: {step} costs {told[step]:.2f} of the frame" for step in HANDING_OVER if 1 + told[step] > MOST]
            if told["apply"] - told["rows"] > MOST_BESIDE_ROWS + FIXED_MIB / told["frame"]:
                over.append(f"{kind}: apply costs {told['apply']:.2f} of the frame, and gives back {told['rows']:.2f}")
    if over:
        sys.exit("\n".join(over))


def make_table(path: Path, rows: int) -> Path:
    import autodenoise as ad

    size = [f"--users={max(100, rows // 160)}", f"--items={max(100, rows // 1000)}", f"--rows={rows}"]
    subprocess.run([ad.find_program(), "synth", path, *size, "--plant=inverted:item:0.1"], check=True, stdout=sys.stderr)
    return path


def measure(kind: str, table: Path) -> dict[str, float]:
    """The frame in MiB; what each step costs at its peak beyond it, and the rows that are given back, as shares of it; the
    program's peak in MiB."""
    # Libraries are no part of what a frame costs.
    import pyarrow.dataset

    import autodenoise as ad

    warnings.simplefilter("ignore", ad.DataWarning)
    frame = read(kind, table)
    size = size_of(frame, kind)
    told = {"frame": size / MIB}
    told["check"] = peak_of(lambda: ad.check(frame, **READING))[1] / size
    result, peak = peak_of(lambda: ad.denoise(frame, **READING, **METHOD))
    told["denoise"] = peak / size
    rows, peak = peak_of(lambda: result.apply(frame))
    told["apply"], told["rows"] = peak / size, size_of(rows, kind) / size
    told["program"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return told


def read(kind: str, table: Path):
    """A table as a frame."""
    if kind == "pandas":
        import pandas as pd

        return pd.read_csv(table)
    if kind == "polars":
        import polars as pl

        return pl.read_csv(table)
    import pyarrow.csv

    return pyarrow.csv.read_csv(table)


def size_of(frame, kind: str) -> int:
    """The bytes of a frame by its own library's count."""
    if kind == "pandas":
        return int(frame.memory_usage(deep=True).sum())
    if kind == "polars":
        import polars as pl

        # `estimated_size` counts 8 bytes of a text where its view has 16; what is handed to Arrow is the frame's own memory.
        return frame.to_arrow(compat_level=pl.CompatLevel.newest()).nbytes
    return frame.nbytes


def peak_of(step):
    """What a step gives, and the bytes by which the process is larger at its peak than before."""
    import pyarrow as pa

    gc.collect()
    pa.default_memory_pool().release_unused()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = resident("VmRSS")
    # Begins the peak anew.
    Path("/proc/self/clear_refs").write_text("5")
    given = step()
    return given, resident("VmHWM") - before


def resident(name: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) * 1024


if __name__ == "__main__":
    os.environ.setdefault("AUTODENOISE_PROGRAM", str(Path(__file__).resolve().parent.parent / "target/release/autodenoise"))
    main()
