"""Odd frames: either they go to the program as they are and their rows come back, or the error says what is wrong."""

import datetime
import tempfile
import warnings
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from options import OPTIONS
from pandas.testing import assert_frame_equal

import autodenoise as ad
from autodenoise._frames import find_kind

QUICK = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
# Each example starts the program.
SLOW = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])

# Columns of one type each, of a number of rows; some have no type in Parquet.
COLUMNS = {
    "int8": lambda rows: np.arange(rows, dtype="int8"),
    "uint64": lambda rows: np.full(rows, 2**64 - 1, dtype="uint64"),
    "float": lambda rows: np.resize([1.5, np.nan, np.inf, -0.0], rows),
    "bool": lambda rows: np.resize([True, False], rows),
    "complex": lambda rows: np.full(rows, 1 + 2j),
    "Int64": lambda rows: pd.array(np.resize([1, None], rows), dtype="Int64"),
    "boolean": lambda rows: pd.array(np.resize([True, None], rows), dtype="boolean"),
    "string": lambda rows: pd.array(np.resize(["ä", None, ""], rows), dtype="string"),
    "category": lambda rows: pd.Categorical(np.resize(["x", None, "y"], rows), categories=["y", "x", "never"]),
    "category of numbers": lambda rows: pd.Categorical(np.resize([3, 1], rows), ordered=True),
    "times": lambda rows: pd.date_range("1677-10-01", periods=rows, tz="Asia/Kathmandu"),
    "time spans": lambda rows: pd.to_timedelta(np.arange(rows), unit="s"),
    "periods": lambda rows: pd.period_range("2024", periods=rows, freq="M"),
    "intervals": lambda rows: pd.arrays.IntervalArray.from_breaks(range(rows + 1)),
    "sparse": lambda rows: pd.arrays.SparseArray(np.resize([0, 0, 1], rows)),
    "arrow": lambda rows: pd.array(np.resize(["a", None], rows), dtype=pd.ArrowDtype(pa.large_string())),
    "dates": lambda rows: [datetime.date(2024, 1, 1)] * rows,
    "decimals": lambda rows: [Decimal("1.25")] * rows,
    "bytes": lambda rows: [b"\xff\x00"] * rows,
    "lists": lambda rows: [[1, 2], [], None][:rows] + [[3]] * max(rows - 3, 0),
    "structs": lambda rows: [{"a": 1}] * rows,
    "nothing": lambda rows: [None] * rows,
    "mixed": lambda rows: [1, "a", 2.5, None][:rows] + ["b"] * max(rows - 4, 0),
    "objects": lambda rows: [object()] * rows,
    "surrogates": lambda rows: ["\ud800"] * rows,
}
INDICES = {
    "range": lambda rows: pd.RangeIndex(5, 5 + rows),
    "one value": lambda rows: pd.Index(["same"] * rows),
    "missing": lambda rows: pd.Index([None] * rows, dtype=object),
    "levels": lambda rows: pd.MultiIndex.from_arrays([np.arange(rows)[::-1], [None] * rows], names=["click", "click"]),
    "times": lambda rows: pd.date_range("2024", periods=rows, freq="h"),
    "intervals": lambda rows: pd.IntervalIndex.from_breaks(range(rows + 1)),
}
NAMES = st.one_of(
    st.text(max_size=4),
    st.integers(-2, 3),
    st.floats(allow_nan=False),
    st.tuples(st.text(max_size=2), st.integers(0, 1)),
    st.sampled_from([None, True, "*", "a,b", "`", "\ud800", Decimal(1), pd.Timestamp("2024")]),
)


def make_column(kind, rows):
    # pandas 3 would make a column of Arrow's of any text, which cannot hold half a surrogate pair.
    return pd.Series(COLUMNS[kind](rows), dtype=object if kind == "surrogates" else None)


@st.composite
def frames(draw):
    """Frames of pandas with any columns, names and index."""
    rows = draw(st.integers(0, 7))
    kinds = draw(st.lists(st.sampled_from(sorted(COLUMNS)), max_size=4))
    names = draw(st.lists(NAMES, min_size=len(kinds), max_size=len(kinds)))
    index = INDICES[draw(st.sampled_from(sorted(INDICES)))](rows)
    frame = pd.DataFrame({place: make_column(kind, rows) for place, kind in enumerate(kinds)}, index=pd.RangeIndex(rows))
    frame.index = index
    frame.columns = pd.Index(names, dtype=object, tupleize_cols=False)
    return frame


def write(frame):
    """The file that a frame goes to the program as, in Arrow's words and in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        find_kind(frame).write_parquet(frame, path, [])
        return pq.read_table(path), path.read_bytes()


@QUICK
@given(frames(), st.randoms(use_true_random=False))
def test_a_frame_of_pandas_goes_as_it_is_or_the_error_names_the_column(frame, random):
    before = frame.copy()
    keep = np.array([random.random() < 0.5 for _ in range(len(frame))], dtype=bool)
    kept = find_kind(frame).filter(frame, keep)
    assert_frame_equal(kept, before.iloc[np.flatnonzero(keep)])
    try:
        table, content = write(frame)
    except ad.UnusableFrame as error:
        said = error.text
        assert any(repr(str(name)) in said for name in frame.columns)
    else:
        assert table.column_names == [str(name) for name in frame.columns]
        assert table.num_rows == (len(frame) if len(frame.columns) else 0)
        assert content == write(frame)[1]
    assert_frame_equal(frame, before)


@QUICK
@given(frames())
def test_frames_of_polars_and_pyarrow_go_as_they_are_or_the_error_says_why(frame):
    names = [f"c{place}" for place in range(frame.shape[1])]
    for make in (pl.from_pandas, lambda frame: pa.Table.from_pandas(frame, preserve_index=False)):
        try:
            other = make(frame.set_axis(names, axis=1))
        except Exception:
            continue  # The other library has no such column.
        keep = np.arange(len(frame)) % 2 == 0
        if names:
            assert len(find_kind(other).filter(other, keep)) == keep.sum()
        try:
            table, content = write(other)
        except ad.UnusableFrame as error:
            said = error.text
            assert "column" in said
        else:
            assert table.column_names == names
            assert content == write(other)[1]


@SLOW
@given(frames(), st.booleans())
def test_the_program_reads_an_odd_frame_or_says_why_not(frame, labelled):
    if labelled:
        frame["click"] = np.arange(len(frame)) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ad.DataWarning)
        try:
            table = ad.check(frame, label="click")
        except (ad.UnusableFrame, ad.Refused):
            return
        assert sum(table.rows.values()) == len(frame)


@SLOW
@given(st.data(), st.sampled_from(sorted(INDICES)), st.lists(st.sampled_from(sorted(COLUMNS)), max_size=3))
def test_rows_of_a_frame_with_odd_columns_come_back(data, index, kinds):
    rows = data.draw(st.integers(100, 127))
    label = data.draw(st.sampled_from(["click", 0, "ä b", "*"]))
    random = np.random.default_rng(rows)
    columns = {"user": random.integers(0, 9, rows), "item": random.integers(0, 9, rows), label: np.arange(rows) % 2}
    columns |= {f"odd {place}": make_column(kind, rows) for place, kind in enumerate(kinds)}
    frame = pd.DataFrame(columns).set_axis(INDICES[index](rows))
    options = {name: value for name, value in OPTIONS.items() if name not in ("split_column", "exclude")}
    result = ad.denoise(frame, **{**options, "label": label, "exclude": ["odd*"] if kinds else [], "split_stratified": True})
    assert result.kept.shape == result.weights.shape == result.soft_labels.shape == (rows,)
    assert_frame_equal(result.apply(frame), frame.iloc[np.flatnonzero(result.kept)])


def test_frames_of_few_rows_are_refused_with_a_reason(frame):
    for rows, reason in ((0, "no rows"), (1, "valid")):
        few = frame.head(rows)
        for one in (few, pl.from_pandas(few), pa.Table.from_pandas(few)):
            with pytest.raises(ad.Refused, match=reason):
                ad.check(one, label="click")
