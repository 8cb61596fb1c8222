"""AutoDenoise: what is corrupt in a table of clicks, a table without that, and whether a model gains by it.

import autodenoise as ad

result = ad.denoise(frame, label="click", split_column="split")
print(result)
clean = result.apply(frame)
"""

from __future__ import annotations

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

__all__ = [
    "AutodenoiseError",
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


def __getattr__(name: str) -> object:
    """`Denoiser` is imported when it is asked for: it alone needs scikit-learn."""
    if name != "Denoiser":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from ._denoiser import Denoiser
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise ImportError("autodenoise.Denoiser needs scikit-learn: pip install 'autodenoise[sklearn]'") from error
    return Denoiser
