"""Tables as the bytes that are sent: a file, bytes, or a data frame."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, Optional, Union

Table = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, Any]
"""A path, the bytes of a file, or a frame: of pandas, polars, pyarrow, or of whatever else hands out Arrow streams."""

_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".parquet": "application/vnd.apache.parquet",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
}
_BLOCK = 1 << 20


class TableBytes:
    """A table's bytes, open for reading; a context, at whose end a temporary file is gone.

    A frame is written as Parquet into a temporary file: a table of ten million rows must not be in memory twice.
    """

    def __init__(self, table: Table) -> None:
        self._temporary: Optional[str] = None
        self.name: Optional[str] = None
        """The file's name, where there is one."""
        self.media_type = "application/octet-stream"
        """What its name says that it is; the service looks at its first bytes otherwise."""
        if isinstance(table, (bytes, bytearray, memoryview)):
            self._file: BinaryIO = io.BytesIO(table)
        elif isinstance(table, (str, os.PathLike)):
            path = Path(os.fspath(table))
            self._file = path.open("rb")
            self.name, self.media_type = path.name, _MEDIA_TYPES.get(path.suffix.lower(), self.media_type)
        else:
            self._file = self._write_frame(table)
            self.name, self.media_type = "frame.parquet", _MEDIA_TYPES[".parquet"]
        self.size = self._file.seek(0, io.SEEK_END)
        """How many bytes there are."""

    def __enter__(self) -> TableBytes:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._temporary is not None:
            os.unlink(self._temporary)

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on."""
        self._file.seek(offset)
        return self._file.read(size)

    def digest(self) -> str:
        """The sha256 of all bytes, hexadecimal."""
        self._file.seek(0)
        return _digest(self._file)

    def _write_frame(self, frame: object) -> BinaryIO:
        handle, self._temporary = tempfile.mkstemp(prefix="autodenoise-", suffix=".parquet")
        os.close(handle)
        try:
            write_parquet(frame, self._temporary)
            return Path(self._temporary).open("rb")
        except BaseException:
            os.unlink(self._temporary)
            raise


def digest_file(path: Path) -> str:
    """The sha256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return _digest(file)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def write_parquet(table: object, path: str) -> None:
    """Writes a frame as Parquet.

    Raises:
        TypeError: it is no frame.
    """
    frame: Any = table
    kind = type(frame).__module__.split(".")[0]
    if kind == "polars":
        frame.lazy().collect().write_parquet(path)
        return
    if kind not in ("pandas", "pyarrow") and not hasattr(frame, "__arrow_c_stream__"):
        raise TypeError(f"a table is a path, bytes or a data frame, and not {type(frame).__name__}")
    import pyarrow as pa
    import pyarrow.parquet as pq

    if kind == "pandas":
        # The index is none of the table's columns.
        frame = pa.Table.from_pandas(frame, preserve_index=False)
    elif not isinstance(frame, pa.Table):
        frame = pa.RecordBatchReader.from_stream(frame).read_all()
    pq.write_table(frame, path)


def read_frame(path: str, name: str, kind: str) -> Any:  # noqa: ANN401
    """A downloaded result as a frame of `kind` ``pandas``, ``polars`` or ``pyarrow``; `name` says what the file is.

    Raises:
        ValueError: the result is no table, or there are no such frames.
    """
    suffixes = Path(name).suffixes
    form = next((suffix for suffix in reversed(suffixes) if suffix in (".parquet", ".csv", ".tsv")), None)
    if form is None:
        raise ValueError(f"{name} is neither Parquet nor CSV: download it instead")
    separator = "\t" if form == ".tsv" else ","
    if kind == "pyarrow":
        import pyarrow.csv
        import pyarrow.parquet

        if form == ".parquet":
            return pyarrow.parquet.read_table(path)
        return pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter=separator))
    if kind == "polars":
        import polars

        return polars.read_parquet(path) if form == ".parquet" else polars.read_csv(path, separator=separator)
    if kind == "pandas":
        import pandas

        return pandas.read_parquet(path) if form == ".parquet" else pandas.read_csv(path, sep=separator)
    raise ValueError(f"frames are pandas, polars or pyarrow, and not {kind!r}")
