#!/usr/bin/env python3
"""Sets `autodenoise-torch` on a GPU beside the same work in PyTorch, and beside itself with CUDA graphs, in minutes.

    scripts/gpu.py [--pairs 3] [--python PYTHON] [--device cuda] [--rows 800167] [--write docs/performance.md]

Three tables: the method's works beside benches/pytorch_expert.py, whose models are compiled; a pass of each further
backbone beside benches/pytorch_backbones.py; and a pass of every backbone, a warm-up and a search epoch with CUDA graphs beside the
same without, and by how much their losses differ. Both programs run alternately on the same card; medians and ratios are scripts/bench.py's. With --write the tables
replace what stands between the markers `<!-- bench:DEVICE -->`, `<!-- bench:backbones-DEVICE -->`, `<!-- bench:graphs-DEVICE -->` and
`<!-- end -->` of the file. Without a GPU it says so and measures nothing. --device cpu runs the same on a CPU, for trying the script
itself: there are no graphs there.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
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


def libtorch_of(python):
    """The folder of that Python's libtorch, which has beside it all the CUDA libraries that it needs; the one we build against has not."""
    where = "import importlib.util; print(importlib.util.find_spec('torch').submodule_search_locations[0])"
    # Not from the checkout, which has a folder of this name.
    run = subprocess.run([pathlib.Path(shutil.which(python)).absolute(), "-c", where], check=True, stdout=subprocess.PIPE, text=True, cwd="/")
    return str(pathlib.Path(run.stdout.strip()) / "lib")


def trainings(program, of, environment, graphs):
    """Seconds and mean loss of each work that trains models, with CUDA graphs or without, and what the log warned of."""
    environment = dict(environment, AUTODENOISE_CUDA_GRAPHS=graphs, AUTODENOISE_LOG_FORMAT="text")
    seen, warned = {}, []
    for only in ("pass/", "warmup4/", "search/"):
        command = [program, "bench", "--engine", "tch", *of, "--only", only]
        print("+", f"AUTODENOISE_CUDA_GRAPHS={graphs}", *command, file=sys.stderr, flush=True)
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        print(run.stderr, end="", file=sys.stderr, flush=True)
        run.check_returncode()
        found = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
        seen |= {work["work"]: (work["seconds"], work["loss"]) for work in found}
        warned += re.findall(r" WARN (.*)", run.stderr)
    return seen, warned


def graphs_beside_none(program, of, environment, pairs):
    """The table of CUDA graphs. Where the log warned, of work that could not be kept for example, that stands below it."""
    runs = [[trainings(program, of, environment, graphs) for graphs in "01"] for _ in range(pairs)]
    rows = []
    for work in runs[0][0][0]:
        plain, kept = ([found[which][0][work] for found in runs] for which in (0, 1))
        ratios = [p / k for (p, _), (k, _) in zip(plain, kept)]
        rows.append([work, *(f"{statistics.median(seconds for seconds, _ in own):.4f}" for own in (plain, kept)),
                     f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} .. {max(ratios):.2f}", f"{plain[0][1]:.9f}",
                     f"{max(abs(k - p) for (_, p), (_, k) in zip(plain, kept)):.1e}"])
    said = sorted({line for _, (_, lines) in runs for line in lines})
    return table_of(GRAPHS_HEAD, rows) + "".join(f"\n\nThe trainer warned: `{line}`" for line in said)


GRAPHS_HEAD = ["work", "without, s", "with graphs, s", "times as fast", "lowest .. highest", "loss without", "largest difference"]


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
    if on_gpu:
        places = [libtorch_of(a.python), os.environ.get("LD_LIBRARY_PATH")]
        environment["LD_LIBRARY_PATH"] = ":".join(place for place in places if place)
    where = card() if on_gpu else processor()
    note = f"{where}; {a.rows:,} rows; medians of {a.pairs} alternating pairs.\n\n"

    def tell(marker, table):
        print(note + table, flush=True)
        if a.write:
            write(a.write, marker.format(a.device), note + table)

    for marker, script, on_gpu_alone, own in TABLES:
        theirs = [a.python, str(HERE / "benches" / script), *of, *(on_gpu_alone if on_gpu else [])]
        ours = [a.program, "bench", "--engine", "tch", *of, *own]
        pairs = [(works(theirs, environment), works(ours, environment)) for _ in range(a.pairs)]
        tell(marker, table_of(HEAD, compared(pairs)))
    tell("bench:graphs-{}", graphs_beside_none(a.program, of, environment, a.pairs))


if __name__ == "__main__":
    main()
