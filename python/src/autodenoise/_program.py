"""Where the program `autodenoise` is."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

from ._errors import ProgramNotFound

NAME = "autodenoise"


def find_program() -> Path:
    """The program that does the work.

    It is the one that `AUTODENOISE_PROGRAM` names, else the one that was installed with this package, else the one on PATH.

    Raises:
        ProgramNotFound: There is none; the text says what to do.
    """
    named = os.environ.get("AUTODENOISE_PROGRAM")
    if named:
        if os.access(named, os.X_OK):
            return Path(named).absolute()
        raise ProgramNotFound(f"AUTODENOISE_PROGRAM names {named}, which is no program that can be run")
    installed = Path(sysconfig.get_path("scripts")) / NAME
    if os.access(installed, os.X_OK):
        return installed
    on_path = shutil.which(NAME)
    if on_path:
        return Path(on_path)
    raise ProgramNotFound(
        "there is no program `autodenoise`: install the wheel, or put a built one on PATH, or name it with AUTODENOISE_PROGRAM"
    )
