"""Denoise tables of clicks: which rows are worth training on, and a proof that a model gains by it."""

from __future__ import annotations

from autodenoise._errors import AutodenoiseError
from autodenoise.client import AsyncClient, Client

__all__ = ["AsyncClient", "AutodenoiseError", "Client"]
__version__ = "0.1.0"
