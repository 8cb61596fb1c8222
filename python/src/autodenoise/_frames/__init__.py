"""Frames of pandas, polars and pyarrow: to Parquet, and rows of them back, in the type that they came in.

Rows are counted from 0 by where they stand; no index plays a part in it.
"""

from ._kind import FrameKind, find_kind

__all__ = ["FrameKind", "find_kind"]
