"""AutoDenoise: what is corrupt in a table of clicks, a table without that, and whether a model gains by it."""

from __future__ import annotations

from ._errors import (
    AutodenoiseError,
    DataWarning,
    JobFailed,
    NotVerified,
    ProgramNotFound,
    Refused,
    UnusableFrame,
    WrongOption,
)

__all__ = [
    "AutodenoiseError",
    "DataWarning",
    "JobFailed",
    "NotVerified",
    "ProgramNotFound",
    "Refused",
    "UnusableFrame",
    "WrongOption",
]
