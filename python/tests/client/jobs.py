"""What tests of the client ask a service for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autodenoise.client._types import JobOptions, TableReading

if TYPE_CHECKING:
    from typing_extensions import Unpack

READING: TableReading = {"label": "click", "split_column": "split", "exclude": ["timestamp"]}
"""How the table of these tests is read."""


def quick(**options: Unpack[JobOptions]) -> JobOptions:
    """A job of a second."""
    small = {"retrain_max_epoch": 1, "select_ratio": 0.9, "mlp_dims": [8]}
    return {**options, "method": {"name": "random_drop", "backbone": "fm", "options": small}}


def lasting(**options: Unpack[JobOptions]) -> JobOptions:
    """A job that takes longer than any test waits."""
    long = {"retrain_max_epoch": 10_000, "patience": 10_000, "mlp_dims": [512, 512]}
    return {**options, "method": {"name": "random_drop", "backbone": "deepfm", "options": long}, "tuning": "off"}
