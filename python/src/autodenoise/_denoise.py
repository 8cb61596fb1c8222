"""A table in, the rows to train on out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import numpy.typing as npt

from ._errors import WrongOption
from ._options import DenoiseOptions, Progress, lists_options, names_of, table_names, to_flags
from ._outcome import FOLDER
from ._process import run_program
from ._result import MASK, Result
from ._table import TableFile, table_file

if TYPE_CHECKING:
    from typing_extensions import Unpack

# Certified, or no verdict was asked for; not better; inconclusive. All three are results.
VERDICTS = (0, 7, 8)
OF_FILES = ("out", "if_refused")


@lists_options(DenoiseOptions)
def denoise(table: Any = None, *, progress: Progress = None, **options: Unpack[DenoiseOptions]) -> Result:
    """Finds what is corrupt in a table, and whether models gain by leaving it out.

    Args:
        table: A frame of pandas, polars or pyarrow of shape (rows, columns); or a path, an address (`s3://`, `gs://`, `az://`,
            `https://`), or a list of these.
        progress: Whether progress is shown, or a function that is handed each line of it; by default on a terminal and in a
            notebook.
        options: Those of the command line: `label` (a column of 0 and 1, or a rule such as `"rating > 3"`), which is needed,
            `split_column`, `time`, `backbone`, `certify`, .. `autodenoise denoise --help` describes them all.

    Returns:
        The rows to train on, with the verdict. A verdict that says no is a result too.

    Raises:
        Refused: The table or the options are not valid; the text says which rows and columns.
        UnusableFrame: The frame cannot be handed over.
        AutodenoiseError: The work could not be ended.
        KeyboardInterrupt: Ctrl-C; the program and its trainer have ended.
    """
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    with table_file(table, given) as source:
        if source.kind is not None:
            for name in OF_FILES:
                if name in given:
                    raise WrongOption(f"`{name}` is for tables that are given by their path; use `result.apply(frame)`")
        owner = None if "results" in given else tempfile.TemporaryDirectory(prefix=FOLDER)
        folder = Path(given.pop("results", None) or owner.name)  # type: ignore[union-attr]
        denoised = source.folder / "denoised.parquet"
        out = ["--out", str(denoised), "--if-refused=kept"] if source.kind is not None else _out(given)
        flags = to_flags(given, names_of(DenoiseOptions), source.folder)
        arguments = ["denoise", *flags, *out, "--results", str(folder), "--json", "--", *source.paths]
        ended = run_program(arguments, progress, VERDICTS)
        told = ended.json()
        return Result(
            folder,
            told=told,
            warnings=ended.warnings + [warning["message"] for warning in told["warnings"]],
            options={name: given[name] for name in table_names() if name in given},
            given=_labels_given(source, denoised, folder, told),
            owner=owner,
        )


def _out(given: Mapping[str, Any]) -> list[str]:
    """Where the denoised table goes, of a table that was given by its path: nobody may want it."""
    return [] if "out" in given else ["--out", os.devnull]


def _labels_given(source: TableFile, denoised: Path, folder: Path, told: Mapping[str, Any]) -> Optional[npt.NDArray[np.float32]]:
    """What the rows of a frame count as in its denoised table, of shape (rows,); None where that has no column for it."""
    names = told.get("label_columns")
    if source.kind is None or names is None or not denoised.exists():
        return None
    import pyarrow.parquet as pq

    kept = np.load(folder / MASK).astype(bool)
    given = np.full(len(kept), np.nan, np.float32)
    given[kept] = pq.read_table(denoised, columns=[names["target"]]).column(0).to_numpy()
    return given
