"""Time limits."""

from __future__ import annotations

from time import monotonic
from typing import Optional


class Deadline:
    """The end of a wait of so many seconds; none for None."""

    def __init__(self, seconds: Optional[float]) -> None:
        self._end = None if seconds is None else monotonic() + seconds

    def left(self) -> float:
        """Seconds until then; infinite where there is no end."""
        return float("inf") if self._end is None else max(0.0, self._end - monotonic())
