"""Denoise tables of clicks: which rows are worth training on, and a proof that a model gains by it."""

from __future__ import annotations

__version__ = "0.1.0"
