#!/usr/bin/env python3
"""Sets `autodenoise-torch` on a GPU beside the same work in PyTorch, in about ten minutes.

    scripts/gpu.py [--pairs 3] [--python PYTHON] [--device cuda] [--rows 800167] [--write docs/performance.md]

Two tables: the method's works beside benches/pytorch_expert.py, whose models are compiled, and a pass of each further
backbone beside benches/pytorch_backbones.py. Both programs run alternately on the same card; medians and ratios are
scripts/bench.py's. With --write the tables replace what stands between the markers `<!-- bench:DEVICE -->`,
`<!-- bench:backbones-DEVICE -->` and `<!-- end -->` of the file. Without a GPU it says so and measures nothing. --device cpu runs the same on a
CPU, for trying the script itself.
"""
import argparse
import os
import pathlib
import subprocess
import sys

from bench import HEAD, HERE, compared, processor, table_of, works, write

# Marker of the table, the PyTorch program with its own flags on a GPU, and ours.
TABLES = [("bench:{}", "pytorch_expert.py", ["--compile"], []),
          ("bench:backbones-{}", "pytorch_backbones.py", [], ["--only", "pass/"])]


def has_gpu():
    """Whether there is an NVIDIA driver, as the trainer looks for one before it opens libtorch's CUDA part."""
    return any(pathlib.Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))


def card():
    run = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], stdout=subprocess.PIPE, text=True)
    return run.stdout.splitlines()[0].strip() if run.returncode == 0 and run.stdout else "a GPU"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pairs", type=int, default=3)
    arguments.add_argument("--python", default=sys.executable, help="a Python with torch 2.11 and numpy")
    arguments.add_argument("--program", default=str(HERE / "target/release/autodenoise-torch"))
    arguments.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    arguments.add_argument("--rows", type=int, default=800_167)
    arguments.add_argument("--write", help="Markdown file whose tables are replaced")
    a = arguments.parse_args()
    on_gpu = a.device == "cuda"
    if on_gpu and not has_gpu():
        print("This machine has no NVIDIA GPU, so nothing was measured and no table was written.")
        return
    of = ["--device", a.device, "--rows", str(a.rows)]
    environment = dict(os.environ, OMP_WAIT_POLICY="passive")
    for marker, script, on_gpu_alone, own in TABLES:
        theirs = [a.python, str(HERE / "benches" / script), *of, *(on_gpu_alone if on_gpu else [])]
        ours = [a.program, "bench", "--engine", "tch", *of, *own]
        pairs = [(works(theirs, environment), works(ours, environment)) for _ in range(a.pairs)]
        where = card() if on_gpu else processor()
        text = f"{where}; {a.rows:,} rows; medians of {a.pairs} alternating pairs.\n\n{table_of(HEAD, compared(pairs))}"
        print(text, flush=True)
        if a.write:
            write(a.write, marker.format(a.device), text)


if __name__ == "__main__":
    main()
