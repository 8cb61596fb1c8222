"""The table of a run: a frame that is written for the program, or files that it reads by itself."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from ._errors import AutodenoiseError, UnusableFrame, WrongOption
from ._frames import FrameKind, find_kind


@dataclass
class TableFile:
    """A table that the program can read.

    Attributes:
        paths: Its files, folders, patterns or addresses.
        folder: A private folder for this run, gone when it ends.
        kind: The kind of the frame; None where files were named.
        frame_rows: The frame's rows; None where files were named.
    """

    paths: list[str]
    folder: Path
    kind: Optional[FrameKind]
    frame_rows: Optional[int]


@contextmanager
def table_file(table: Any, options: Mapping[str, Any]) -> Generator[TableFile, None, None]:
    """The table as files, while they are needed. A frame is written as Parquet into a folder that nobody else can read."""
    with tempfile.TemporaryDirectory(prefix="autodenoise-", dir=options.get("work_dir")) as name:
        folder = Path(name)
        kind = find_kind(table)
        parts = [part for part in ("train", "valid", "test") if options.get(part) is not None]
        if kind is None:
            if table is None and not parts:
                raise WrongOption("there is no table: give a frame, a path or an address, or files as `train`, `valid` and `test`")
            yield TableFile(_paths(table), folder, None, None)
            return
        if parts:
            raise WrongOption(f"a frame is the whole table, so there can be no files for `{parts[0]}`")
        path = folder / "table.parquet"
        kind.write_parquet(table, path, unseen_columns(options))
        try:
            yield TableFile([str(path)], folder, kind, kind.count_rows(table))
        except AutodenoiseError as error:
            # The file that the frame was written to means nothing to whoever handed the frame over.
            error.text = error.text.replace(str(path), "the frame")
            error.args = (error.text,)
            raise


def unseen_columns(options: Mapping[str, Any]) -> Sequence[str]:
    """Patterns of the columns that no model sees, as far as the options tell."""
    exclude = options.get("exclude") or []
    return [exclude] if isinstance(exclude, str) else list(exclude)


def _paths(table: Any) -> list[str]:
    """The files that are named. A relative path stays one: it may be a pattern."""
    if table is None:
        return []
    tables: Sequence[Any] = [table] if isinstance(table, (str, os.PathLike)) else table
    if not isinstance(tables, (list, tuple)) or not all(isinstance(one, (str, os.PathLike)) for one in tables):
        raise UnusableFrame(f"a table is a frame, a path or an address, or a list of these two; this is a {type(table).__name__}")
    return [os.fspath(one) for one in tables]
