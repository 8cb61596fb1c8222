"""What is asked of a kind of frame, and which kind a frame is of."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional, Protocol

import numpy as np
import numpy.typing as npt

from .._errors import UnusableFrame

# Rows that are written at a time: bounds the memory of writing, whatever the frame's size.
ROWS_AT_A_TIME = 1 << 15

Bools = npt.NDArray[np.bool_]


class FrameKind(Protocol):
    """What can be done with frames of one library."""

    def count_rows(self, frame: Any) -> int:
        """The rows of the frame."""
        ...

    def column_names(self, frame: Any) -> list[str]:
        """The names of its columns, as the program sees them."""
        ...

    def write_parquet(self, frame: Any, path: Path, unseen: Sequence[str]) -> None:
        """Writes the frame; the same frame gives the same bytes.

        Args:
            frame: The frame, which stays as it is.
            path: A file that is not there yet.
            unseen: Patterns of columns that no model sees: where Parquet has no type for them, their text is written.

        Raises:
            UnusableFrame: A column cannot be written; the text names it.
        """
        ...

    def filter(self, frame: Any, keep: Bools, columns: Optional[Sequence[str]] = None) -> Any:
        """The rows that are to be kept, in their order, with their index and types, in little more memory than their own.

        Args:
            frame: The frame, which stays as it is.
            keep: Whether each row is kept, of shape (rows,).
            columns: The names of the columns that are wanted, as `column_names` has them; by default all.
        """
        ...

    def with_columns(self, frame: Any, columns: dict[str, npt.NDArray[Any]]) -> Any:
        """The frame with more columns behind its own, each of shape (rows,)."""
        ...


def find_kind(frame: Any) -> Optional[FrameKind]:
    """The kind of a frame; None where it is no frame at all.

    Raises:
        UnusableFrame: It is something like a frame, and of a kind that is not read.
    """
    # A frame of a library is one only where that library was imported already.
    pandas, polars, pyarrow = (sys.modules.get(name) for name in ("pandas", "polars", "pyarrow"))
    if pandas is not None and isinstance(frame, pandas.DataFrame):
        from ._pandas import PandasKind

        return PandasKind()
    if polars is not None and isinstance(frame, polars.DataFrame):
        from ._polars import PolarsKind

        return PolarsKind()
    if pyarrow is not None and isinstance(frame, pyarrow.Table):
        from ._arrow import ArrowKind

        return ArrowKind()
    if polars is not None and isinstance(frame, polars.LazyFrame):
        raise UnusableFrame("a LazyFrame has no rows yet: hand over `frame.collect()`")
    if hasattr(frame, "columns") or hasattr(frame, "to_pandas") or hasattr(frame, "shape"):
        raise UnusableFrame(
            f"frames of pandas, polars and pyarrow can be handed over, and paths and addresses; this is a {type(frame).__name__}"
        )
    return None


def check_names(names: Sequence[str]) -> list[str]:
    """The names of columns, where each is text and no two are alike: the program could not tell which is meant."""
    for name in names:
        if name != as_text(name):
            raise UnusableFrame(f"column {name!r} has a name that is no text in UTF-8; rename it")
    twice = sorted({name for name in names if list(names).count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise UnusableFrame(f"several columns are named {', '.join(map(repr, twice))}; rename all but one")
    return list(names)


def as_text(value: Any) -> str:
    """The text of a value; what UTF-8 has no bytes for, half of a surrogate pair, is a question mark."""
    return str(value).encode(errors="replace").decode()
