"""Tables of pyarrow, and what writes them to Parquet piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from .._errors import UnusableFrame
from ._kind import ROWS_AT_A_TIME, Bools, check_names


def write_pieces(schema: Any, pieces: Iterable[Any], path: Path) -> None:
    """Writes tables of one schema as one file, each a group of rows.

    Raises:
        UnusableFrame: Parquet does not have the type of a column.
    """
    try:
        with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, write_statistics=False) as writer:
            for piece in pieces:
                writer.write_table(piece)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UnusableFrame(f"the table cannot be written as Parquet: {error}; cast or drop the column") from error


class ArrowKind:
    """`pyarrow.Table`."""

    def count_rows(self, frame: Any) -> int:
        return frame.num_rows

    def column_names(self, frame: Any) -> list[str]:
        return check_names(frame.column_names)

    def write_parquet(self, frame: Any, path: Path, unseen: Sequence[str]) -> None:
        self.column_names(frame)
        pieces = (frame.slice(at, ROWS_AT_A_TIME) for at in range(0, max(frame.num_rows, 1), ROWS_AT_A_TIME))
        write_pieces(frame.schema, pieces, path)

    def filter(self, frame: Any, keep: Bools, columns: Optional[Sequence[str]] = None) -> Any:
        wanted = frame if columns is None else frame.select(list(columns))
        # Chunk by chunk, where `take` would join the chunks of a column first.
        return wanted.filter(pa.array(keep))

    def with_columns(self, frame: Any, columns: dict[str, npt.NDArray[Any]]) -> Any:
        for name, values in columns.items():
            frame = frame.append_column(name, pa.array(values))
        return frame
