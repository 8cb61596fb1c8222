"""Starts the program ``autodenoise-torch`` on the libtorch of the PyTorch that is installed here.

``autodenoise`` looks for a program of that name beside itself, and the script that installers make of ``main`` stands
there.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

__version__ = "0.1.0"

PROGRAM = Path(__file__).parent / "bin" / "autodenoise-torch"


def main() -> None:
    """Becomes the program, with the same arguments.

    It finds libtorch two folders above its own, in ``torch/lib``; where PyTorch is installed elsewhere, in a layer
    below this environment, LD_LIBRARY_PATH says so.
    """
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        sys.exit("autodenoise-torch: PyTorch is not installed here: pip install 'torch==2.11.*'")
    libraries = Path(torch.origin).parent / "lib"
    if libraries.resolve() != (Path(__file__).parent.parent / "torch" / "lib").resolve():
        before = os.environ.get("LD_LIBRARY_PATH")
        os.environ["LD_LIBRARY_PATH"] = f"{libraries}:{before}" if before else str(libraries)
    os.execv(PROGRAM, [str(PROGRAM), *sys.argv[1:]])
