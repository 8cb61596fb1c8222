"""What was found to be wrong with a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the labels of some rows.

    Attributes:
        text: What it is, in a sentence.
        kind: Its kind, as `inverted_values` or `added_rows`.
        fields: The columns whose values it is about.
        values: How many values, or pairs of values, it is about.
        examples: Those of most rows, at most ten; each has a name for every field.
        rows: Training rows that the remedy is about.
        share: Their share of the training rows.
        remedy: What is to be done with them: `drop`, `relabel`, `reweight`, ..
        taken: Whether it was done.
        gain: AUC with the remedy less AUC without, on validation rows; None where it was not tried.
        gain_error: Its standard error.
        evidence: How sure it is, in nats.
        strength: How far it goes; what it counts depends on the kind.
        window: First and last moment of it, in the unit of the table's times; None where it is not about times.
    """

    text: str
    kind: str
    fields: tuple[str, ...]
    values: int
    examples: tuple[tuple[str, ...], ...]
    rows: int
    share: float
    remedy: str
    taken: bool
    gain: Optional[float]
    gain_error: Optional[float]
    evidence: float
    strength: float
    window: Optional[tuple[int, int]]

    def __str__(self) -> str:
        """The sentence."""
        return self.text


def read_findings(report: Mapping[str, Any], texts: Sequence[str]) -> list[Finding]:
    """The findings of a report, with their sentences."""
    found: Sequence[Mapping[str, Any]] = (report.get("findings") or {}).get("corruptions", [])
    texts = list(texts) or [_name(one) for one in found]
    return [_read(one, text) for one, text in zip(found, texts)]


def _name(one: Mapping[str, Any]) -> str:
    """What it is where the program's sentence is not at hand: a report that was stored has none."""
    return f"{one['kind'].replace('_', ' ')} in {' x '.join(one['fields'])}: {one['rows']} rows, {one['remedy']}"


def _read(one: Mapping[str, Any], text: str) -> Finding:
    window = one.get("window")
    return Finding(
        text=text,
        kind=one["kind"],
        fields=tuple(one["fields"]),
        values=one["values"],
        examples=tuple(tuple(example["names"]) for example in one["examples"]),
        rows=one["rows"],
        share=one["share"],
        remedy=one["remedy"],
        taken=one["taken"],
        gain=one.get("gain"),
        gain_error=one.get("gain_error"),
        evidence=one["evidence"],
        strength=one["strength"],
        window=None if window is None else (window[0], window[1]),
    )
