"""AutoDenoise: what is corrupt in a table of clicks, a table without that, and whether a model gains by it.

import autodenoise as ad

result = ad.denoise(frame, label="click", split_column="split")
print(result)
clean = result.apply(frame)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._check import Column, ColumnTable, check
from ._denoise import denoise
from ._errors import (
    AutodenoiseError,
    DataWarning,
    JobFailed,
    NotVerified,
    Refused,
    UnusableFrame,
    WrongOption,
)
from ._findings import Finding
from ._judge import Judged, judge
from ._outcome import Gain, Outcome, Verdict
from ._plan import Plan, plan
from ._program import ProgramNotFoundError, find_program
from ._result import Result

if TYPE_CHECKING:
    from ._denoiser import Denoiser
    from .client import AsyncClient, Client

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AutodenoiseError",
    "Client",
    "Column",
    "ColumnTable",
    "DataWarning",
    "Denoiser",
    "Finding",
    "Gain",
    "JobFailed",
    "Judged",
    "NotVerified",
    "Outcome",
    "Plan",
    "ProgramNotFoundError",
    "Refused",
    "Result",
    "UnusableFrame",
    "Verdict",
    "WrongOption",
    "check",
    "denoise",
    "find_program",
    "judge",
    "plan",
]


# What needs a library of its own is imported when it is asked for: the module, the library, and the extra that brings it.
_LATER = {
    "AsyncClient": (".client", "httpx", "client"),
    "Client": (".client", "httpx", "client"),
    "Denoiser": ("._denoiser", "sklearn", "sklearn"),
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, library, extra = _LATER[name]
    try:
        return getattr(import_module(module, __name__), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != library:
            raise
        raise ImportError(f"autodenoise.{name} needs {library}: pip install 'autodenoise[{extra}]'") from error
