"""What a run would take and could show, before it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Optional

from ._options import PlanOptions, Progress, lists_options, names_of, to_flags
from ._process import run_program
from ._table import table_file

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class Plan:
    """What a run would take and could show.

    Attributes:
        train_rows, valid_rows, test_rows: The rows of each split.
        trainings: Models that would be trained.
        passes: Passes over the training rows, in all.
        test_reads: How often the test labels would be read.
        memory_bytes: Memory that it needs.
        seconds: Time that it takes on this machine.
        smallest_gain: The smallest gain in AUC that it could certify; None without a verdict.
        report: All of it, as the program's `--plan --json`.
    """

    train_rows: int
    valid_rows: int
    test_rows: int
    trainings: int
    passes: int
    test_reads: int
    memory_bytes: int
    seconds: float
    smallest_gain: Optional[float]
    report: dict[str, Any]

    def __repr__(self) -> str:
        """All of it in three lines."""
        gain = "" if self.smallest_gain is None else f"\nthe smallest gain in AUC it can certify: about {self.smallest_gain:.4f}"
        return (
            f"{self.train_rows:,} training, {self.valid_rows:,} validation and {self.test_rows:,} test rows\n"
            f"{self.trainings} models in {self.passes} passes; about {self.memory_bytes / 2**20:,.0f} MiB of memory and "
            f"{_duration(self.seconds)}{gain}"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)).replace(chr(10), '<br>')}</p>"


@lists_options(PlanOptions)
def plan(table: Any = None, *, progress: Progress = None, **options: Unpack[PlanOptions]) -> Plan:
    """Says how long `denoise` would take with the same arguments, and the smallest gain it could tell.

    The table is read and a training is timed; nothing else is run.

    Args:
        table: As `denoise` takes it, of shape (rows, columns).
        progress: As of `denoise`.
        options: As of `denoise`.

    Raises:
        Refused: The table or the options are not valid.
        UnusableFrame: The frame cannot be handed over.
    """
    with table_file(table, options) as source:
        flags = to_flags(options, names_of(PlanOptions), source.folder)
        ended = run_program(["denoise", "--plan", *flags, "--json", "--", *source.paths], progress)
    report = ended.json()
    rows: Mapping[str, int] = report["rows"]
    return Plan(
        train_rows=rows["train"],
        valid_rows=rows["valid"],
        test_rows=rows["test"],
        trainings=report["trainings"],
        passes=report["passes"],
        test_reads=report["test_reads"],
        memory_bytes=report["memory_bytes"],
        seconds=report["seconds"]["value"],
        smallest_gain=(report.get("detectable_gain") or {}).get("value"),
        report=report,
    )


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole // 60 % 60:02} min"
