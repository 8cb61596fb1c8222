"""The rows to train on."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, TypeVar, Union

import numpy as np
import numpy.typing as npt

from ._errors import DataWarning, UnusableFrame, WrongOption
from ._frames import find_kind
from ._outcome import Outcome

if TYPE_CHECKING:
    import pyarrow as pa

Frame = TypeVar("Frame")
MASK = "keep_mask.npy"
LABELS = "labels.parquet"
EXPLANATIONS = "explanations.parquet"


class Result(Outcome):
    """Which rows of a table to train on, as what, and whether that is better.

    Arrays have an element for each row of the table, in the order of its rows, whatever index the frame has.
    """

    def __init__(
        self,
        folder: Union[str, PathLike[str]],
        *,
        told: Optional[Mapping[str, Any]] = None,
        warnings: Optional[list[str]] = None,
        options: Optional[Mapping[str, Any]] = None,
        given: Optional[npt.NDArray[np.float32]] = None,
        owner: Optional[tempfile.TemporaryDirectory[str]] = None,
    ) -> None:
        """The result in a folder that `denoise`, the command line or a server's download left.

        Args:
            folder: The folder of `results`, `--results` or `autodenoise download`.
            told: The report as the program printed it, with its sentences.
            warnings: What the program warned of.
            options: How the table was read, for `judge`.
            given: What the denoised table says that rows count as, of shape (rows,); NaN for dropped rows.
            owner: The folder, where it is to go with this object.

        Raises:
            FileNotFoundError: There is no result in the folder.
        """
        super().__init__(Path(folder), told, warnings, owner)
        self._options: dict[str, Any] = dict(options or {})
        self._given = given

    @property
    def table_options(self) -> dict[str, Any]:
        """How the table was read, as options."""
        return dict(self._options)

    @cached_property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Whether each row is kept, of shape (rows,). Test rows are; validation rows are unless they lie in what was found.

        It is what the method chose, whatever the verdict.
        """
        return np.load(self.folder / MASK).astype(bool)

    @cached_property
    def weights(self) -> npt.NDArray[np.float32]:
        """What each row weighs in training, of shape (rows,): 0 where it is dropped, 1 where it counts as any other."""
        weights = self.kept.astype(np.float32)
        for batch in self._read(LABELS, ["row", "weight"]):
            weights[batch["row"].to_numpy()] *= batch["weight"].to_numpy()
        return weights

    @cached_property
    def soft_labels(self) -> npt.NDArray[np.float32]:
        """The probability of label 1 that each row counts as, of shape (rows,).

        It is the label as given, unless the method turned it round or softened it. NaN where it is not known: of validation
        and test rows of a table that was given by its path or whose labels nobody changed, and of dropped validation rows.
        """
        soft = np.full(len(self.kept), np.nan, np.float32)
        name, label = (LABELS, "target") if (self.folder / LABELS).exists() else (EXPLANATIONS, "label")
        for batch in self._read(name, ["row", label]):
            soft[batch["row"].to_numpy()] = batch[label].to_numpy()
        if self._given is not None:
            np.copyto(soft, self._given, where=~np.isnan(self._given))
        return soft

    def explanations(self) -> pa.Table:  # pyright: ignore
        """Why rows were dropped or changed, a row of the training rows each: `row`, `kept`, `reason`, `values` and more."""
        import pyarrow.parquet as pq

        return pq.read_table(self.folder / EXPLANATIONS)

    def apply(self, frame: Frame, *, if_refused: str = "all") -> Frame:
        """The rows of the frame to train on, in a frame of the same type, with its index and types as they are.

        Where the method relabels or weighs rows, there are two more columns, `autodenoise_target` and `autodenoise_weight`:
        what to train on in place of the label, and how much it counts.

        Args:
            frame: The frame that was denoised, or one with the same rows in the same order.
            if_refused: What to give back where the verdict says no: `all`, every row as it is, or `kept`, the kept rows all
                the same.

        Raises:
            UnusableFrame: The frame does not have as many rows as the table.
        """
        if if_refused not in ("all", "kept"):
            raise WrongOption(f"`if_refused` is `all` or `kept`, and not {if_refused!r}")
        kind = find_kind(frame)
        if kind is None:
            raise UnusableFrame(f"rows are taken from a frame of pandas, polars or pyarrow, and this is a {type(frame).__name__}")
        rows = kind.count_rows(frame)
        if rows != len(self.kept):
            raise UnusableFrame(f"the frame has {rows:,} rows and the table that was denoised has {len(self.kept):,}")
        if self.verdict.value in ("not_better", "inconclusive") and if_refused == "all":
            warnings.warn(f"{self.sentence} So all rows are given back.", DataWarning, stacklevel=2)
            return frame
        kept = kind.filter(frame, self.kept)
        names: Optional[Mapping[str, str]] = self.report.get("label_columns")
        if names is None:
            return kept
        more = {names["target"]: self.soft_labels[self.kept], names["weight"]: self.weights[self.kept]}
        return kind.with_columns(kept, more)

    def save(self, folder: Union[str, PathLike[str]]) -> Path:
        """Copies the results to a folder, which must not be there yet: `Result(folder)` opens it again."""
        shutil.copytree(self.folder, folder)
        return Path(folder)

    def _read(self, name: str, columns: list[str]) -> Iterator[pa.RecordBatch]:  # pyright: ignore
        """These columns of an artifact, some rows at a time; nothing where the method leaves no such artifact."""
        import pyarrow.parquet as pq

        file = self.folder / name
        if file.exists():
            with pq.ParquetFile(file) as table:
                yield from table.iter_batches(columns=columns)
