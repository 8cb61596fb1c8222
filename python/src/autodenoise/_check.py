"""How a table is read, column by column, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Optional

from ._options import CheckOptions, Progress, lists_options, names_of, to_flags
from ._process import run_program
from ._table import table_file

if TYPE_CHECKING:
    from typing_extensions import Unpack

HEADER = ("column", "read as", "values", "missing", "AUC alone", "because")


@dataclass(frozen=True)
class Column:
    """How a column is read that models see.

    Attributes:
        name: Its name.
        read_as: `category`, or how its numbers are put into buckets.
        reason: Why.
        values: Different values in the training rows.
        missing: Rows without a value.
        auc: AUC of the validation rows by this column alone; None where it cannot be told.
    """

    name: str
    read_as: str
    reason: str
    values: int
    missing: int
    auc: Optional[float]


@dataclass(frozen=True)
class ColumnTable:
    """What a table looks like to the models.

    Attributes:
        columns: How each column is read.
        rows: The rows of each split: `train`, `valid` and `test`.
        positives: Those of label 1.
        notes: What a reader should know.
        warnings: What should be looked at, as a column that gives the label away.
        report: All of it, as the program prints it.
    """

    columns: tuple[Column, ...]
    rows: dict[str, int]
    positives: dict[str, int]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    report: dict[str, Any]

    def __repr__(self) -> str:
        """The columns, a line each."""
        lines = [HEADER, *map(_cells, self.columns)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(HEADER) - 1)]
        table = ["  ".join([*(cell.ljust(width) for cell, width in zip(line, widths)), line[-1]]) for line in lines]
        return "\n".join([self._heading(), *table, *(f"warning: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        def line(cells: Sequence[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        lines = "".join(line(_cells(column), "td") for column in self.columns)
        warnings = "".join(f"<p>warning: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self._heading())}</p><table>{line(HEADER, 'th')}{lines}</table>{warnings}"

    def _heading(self) -> str:
        counts = ", ".join(f"{rows:,} {split}" for split, rows in self.rows.items())
        share = 100 * self.positives["train"] / max(self.rows["train"], 1)
        return f"{sum(self.rows.values()):,} rows: {counts}; {share:.2f} % of the training rows have label 1"


@lists_options(CheckOptions)
def check(table: Any = None, *, progress: Progress = None, **options: Unpack[CheckOptions]) -> ColumnTable:
    """Reads a table as `denoise` would, and says how each column is read. Nothing is trained.

    Args:
        table: As `denoise` takes it, of shape (rows, columns).
        progress: As of `denoise`.
        options: How the table is read, as of `denoise`.

    Raises:
        Refused: The table cannot be used; the text says which rows and columns.
        UnusableFrame: The frame cannot be handed over.
    """
    with table_file(table, options) as source:
        flags = to_flags(options, names_of(CheckOptions), source.folder)
        ended = run_program(["datasets", "check", *flags, "--", *source.paths], progress)
    report = ended.json()
    return ColumnTable(
        columns=tuple(map(_column, report["fields"])),
        rows=report["rows"],
        positives=report["positives"],
        notes=tuple(report.get("notes", ())),
        warnings=tuple(ended.warnings),
        report=report,
    )


def _column(field: Mapping[str, Any]) -> Column:
    return Column(
        name=field["column"],
        read_as=field["read_as"],
        reason=field["reason"],
        values=field["values"],
        missing=field["missing"],
        auc=field.get("auc"),
    )


def _cells(column: Column) -> tuple[str, ...]:
    auc = "" if column.auc is None else f"{column.auc:.3f}"
    return column.name, column.read_as, f"{column.values:,}", f"{column.missing:,}", auc, column.reason
