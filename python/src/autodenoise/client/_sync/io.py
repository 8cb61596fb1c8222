"""What waits, in the client that blocks; ``_async/io.py`` has the same for the one that is awaited."""

from __future__ import annotations

import time
from typing import Callable, TypeVar

T = TypeVar("T")

INTERRUPTS = (KeyboardInterrupt,)
"""What whoever waits for a call may break it off with."""


def sleep(seconds: float) -> None:
    """Waits."""
    time.sleep(seconds)


def in_thread(work: Callable[[], T]) -> T:
    """Does the work at once: nobody else waits for this thread."""
    return work()
