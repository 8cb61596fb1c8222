"""Where the program ``autodenoise`` stands, which does all the work."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

NAME = "autodenoise"
VARIABLE = "AUTODENOISE_PROGRAM"


class ProgramNotFoundError(FileNotFoundError):
    """There is no program to run; the message says what to install."""


def find_program() -> Path:
    """The program to run, as an absolute path.

    It is the one that the variable ``AUTODENOISE_PROGRAM`` names, else the one that was installed with this package, else
    the first on ``PATH``.

    Raises:
        ProgramNotFoundError: none of these is a file that may be executed.
    """
    named = os.environ.get(VARIABLE)
    if named:
        program = Path(named)
        if not _is_program(program):
            raise ProgramNotFoundError(f"{VARIABLE} is {named}, and that is no file that may be executed")
        return program.absolute()
    for folder in _script_folders():
        program = folder / NAME
        if _is_program(program):
            return program.absolute()
    on_path = shutil.which(NAME)
    if on_path is not None:
        return Path(on_path).absolute()
    raise ProgramNotFoundError(
        f"the program {NAME} is not installed: neither beside this package, nor on PATH. The wheel for Linux on x86-64 "
        f"brings it; elsewhere build it from source (cargo build --release --locked), and name it in {VARIABLE}"
    )


def _script_folders() -> Iterator[Path]:
    """Where an installer may have put the scripts of the wheel that this file came with."""
    site = Path(__file__).resolve().parent.parent
    # <prefix>/lib/python3.x/site-packages: an environment, `pip install --user` and `--prefix`, and the layers of `uv run --with`.
    if len(site.parents) > 2:
        yield site.parents[2] / "bin"
    # `pip install --target`.
    yield site / "bin"
    yield Path(sysconfig.get_path("scripts"))


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
