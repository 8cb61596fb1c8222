"""Frames of pandas. What their index is does not matter: rows are taken by position, and the index goes with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from .._errors import UnusableFrame
from ._arrow import write_pieces
from ._kind import ROWS_AT_A_TIME, Bools, as_text, check_names

# Up to so many columns rows are taken column by column. What pandas would need beside the new frame, the memory of two columns,
# is much for a narrow frame. For a wide one it is little, and a block of memory for each column would slow down what follows.
FEW_COLUMNS = 50


class PandasKind:
    """`pandas.DataFrame`."""

    def count_rows(self, frame: Any) -> int:
        return len(frame)

    def column_names(self, frame: Any) -> list[str]:
        return check_names([str(name) for name in frame.columns])

    def write_parquet(self, frame: Any, path: Path, unseen: Sequence[str]) -> None:
        names = self.column_names(frame)
        texts: set[int] = set()
        fields: list[Any] = []
        for place, name in enumerate(names):
            try:
                kind = _arrow_type(frame.iloc[:, place])
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, ValueError) as error:
                if not any(fnmatchcase(name, pattern) for pattern in unseen):
                    raise UnusableFrame(
                        f"column {name!r} holds values that Parquet has no one type for ({error}); "
                        f'make it text with `frame[{name!r}].astype("string")`, or name it in `exclude`'
                    ) from error
                texts.add(place)
                kind = pa.string()
            fields.append(pa.field(name, kind))
        schema = pa.schema(fields)
        write_pieces(schema, _pieces(frame, schema, texts), path)

    def filter(self, frame: Any, keep: Bools, columns: Optional[Sequence[str]] = None) -> Any:
        place_of = {str(name): place for place, name in enumerate(frame.columns)}
        places = range(frame.shape[1]) if columns is None else [place_of[name] for name in columns]
        if type(frame) is pd.DataFrame and len(places) <= FEW_COLUMNS:
            return _filter_columns(frame, keep, places)
        return frame.iloc[keep] if columns is None else frame.iloc[keep, places]

    def with_columns(self, frame: Any, columns: dict[str, npt.NDArray[Any]]) -> Any:
        # A frame of its own with the same columns: `assign` would copy them, before pandas 3.
        frame = frame.copy(deep=False)
        for name, values in columns.items():
            # By position: a Series would be aligned to the index, which may have one value twice.
            frame[name] = values
        return frame


def _pieces(frame: Any, schema: Any, texts: set[int]) -> Iterator[Any]:
    for at in range(0, max(len(frame), 1), ROWS_AT_A_TIME):
        piece = frame.iloc[at : at + ROWS_AT_A_TIME]
        columns = [
            _as_text(piece.iloc[:, place]) if place in texts else _as_arrow(piece.iloc[:, place], field.type)
            for place, field in enumerate(schema)
        ]
        yield pa.Table.from_arrays(columns, schema=schema)


def _filter_columns(frame: Any, keep: Bools, places: Sequence[int]) -> Any:
    """The rows that are kept, as `frame.iloc[keep, places]`, which would write their positions out and join the chunks of
    Arrow's columns first."""
    index = frame.index.take(np.flatnonzero(keep))
    columns = (frame.iloc[:, place] for place in places)
    # Series, because of arrays pandas would guess the type anew.
    taken = {place: pd.Series(column.array[keep], index, column.dtype, copy=False) for place, column in enumerate(columns)}
    kept = pd.DataFrame(taken, index, copy=False)
    kept.columns = frame.columns[list(places)]
    # The frame's own flags and attributes.
    return kept.__finalize__(frame)


def _arrow_type(column: Any) -> Any:
    """The type of a whole column. Of Python objects all must be looked at: the first rows may not tell."""
    return _as_arrow(column if column.dtype == np.dtype(object) else column.iloc[:1], None).type


def _as_arrow(column: Any, kind: Any) -> Any:
    if isinstance(column.dtype, pd.SparseDtype):
        column = column.sparse.to_dense()
    if isinstance(column.dtype, (pd.PeriodDtype, pd.IntervalDtype)):
        return _as_text(column)
    return pa.array(column, kind, from_pandas=True)


def _as_text(column: Any) -> Any:
    missing = pd.isna(column).to_numpy(dtype=bool)
    return pa.array([None if gone else as_text(one) for one, gone in zip(column, missing)], pa.string())
