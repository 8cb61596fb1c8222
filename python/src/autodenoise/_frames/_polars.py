"""Frames of polars, which writes Parquet by itself."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Optional

import numpy.typing as npt
import polars as pl

from .._errors import UnusableFrame
from ._kind import ROWS_AT_A_TIME, Bools, as_text


class PolarsKind:
    """`polars.DataFrame`."""

    def count_rows(self, frame: Any) -> int:
        return frame.height

    def column_names(self, frame: Any) -> list[str]:
        return list(frame.columns)

    def write_parquet(self, frame: Any, path: Path, unseen: Sequence[str]) -> None:
        objects = [name for name, kind in frame.schema.items() if kind == pl.Object]
        seen = [name for name in objects if not any(fnmatchcase(name, pattern) for pattern in unseen)]
        if seen:
            raise UnusableFrame(
                f"column {seen[0]!r} holds Python objects, which Parquet has no type for; cast it, or name it in `exclude`"
            )
        texts = [pl.Series(name, [None if one is None else as_text(one) for one in frame[name]]) for name in objects]
        try:
            frame.with_columns(texts).write_parquet(
                path, compression="zstd", compression_level=1, statistics=False, row_group_size=ROWS_AT_A_TIME
            )
        except pl.exceptions.PolarsError as error:
            raise UnusableFrame(f"the frame cannot be written as Parquet: {error}; cast or drop the column") from error

    def filter(self, frame: Any, keep: Bools, columns: Optional[Sequence[str]] = None) -> Any:
        wanted = frame if columns is None else frame.select(list(columns))
        return wanted.filter(keep)

    def with_columns(self, frame: Any, columns: dict[str, npt.NDArray[Any]]) -> Any:
        return frame.with_columns([pl.Series(name, values) for name, values in columns.items()])
