"""What waits, in the client that is awaited; ``_sync/io.py`` has the same for the one that blocks."""

from __future__ import annotations

import asyncio
from typing import Callable, TypeVar

T = TypeVar("T")

INTERRUPTS = (asyncio.CancelledError, KeyboardInterrupt)
"""What whoever waits for a call may break it off with."""


async def sleep(seconds: float) -> None:
    """Waits."""
    await asyncio.sleep(seconds)


async def in_thread(work: Callable[[], T]) -> T:
    """Does what would keep the event loop from everything else, as reading a file."""
    return await asyncio.to_thread(work)
