"""What this package raises."""

from __future__ import annotations


class AutodenoiseError(Exception):
    """The base of every error of this package."""
