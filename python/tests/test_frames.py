"""Frames of every index and type go in, and rows of them come back as they were. With `--rows 1000000` they are large."""

import subprocess
import tracemalloc
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from options import OPTIONS
from pandas.testing import assert_frame_equal
from polars.testing import assert_frame_equal as assert_polars_equal

import autodenoise as ad
from autodenoise._frames import _pandas, find_kind

# Columns that `rich` adds: no model sees them, and they must come back all the same.
UNSEEN = ["timestamp", "day", "history", "seen", "note", "month", "price"]
DROPPING = {**OPTIONS, "exclude": UNSEEN}
# Keeps every row, and says what each counts as.
SOFTENING = {**DROPPING, "method": "label_smoothing"}

INDICES = {
    "range": lambda rows, random: pd.RangeIndex(rows),
    "step": lambda rows, random: pd.RangeIndex(rows * 3, 0, -3, name="down"),
    "shuffled": lambda rows, random: pd.Index(random.permutation(rows)),
    "words": lambda rows, random: pd.Index([f"row {row}" for row in random.permutation(rows)], name="row"),
    "one value": lambda rows, random: pd.Index(np.zeros(rows, int)),
    "missing values": lambda rows, random: pd.Index(np.where(random.random(rows) < 0.5, np.nan, 1.0)),
    "times": lambda rows, random: pd.date_range("2024-01-01", periods=rows, freq="s", tz="Europe/Zurich"),
    "categories": lambda rows, random: pd.CategoricalIndex(random.choice(["a", "b"], rows)),
    "levels": lambda rows, random: pd.MultiIndex.from_arrays([random.permutation(rows) // 3, ["x"] * rows], names=["a", None]),
}


@pytest.fixture(scope="module")
def table(program, tmp_path_factory, pytestconfig):
    rows = pytestconfig.getoption("rows")
    file = tmp_path_factory.mktemp("table") / "clicks.csv"
    size = ["--users", str(max(30, rows // 100)), "--items", str(max(30, rows // 100)), "--rows", str(rows)]
    subprocess.run([program, "synth", file, *size, "--seed", "2"], check=True, capture_output=True)
    return pd.read_csv(file)


@pytest.fixture(scope="module")
def rich(table):
    frame = table.astype({"device": "category", "item": "Int64", "age": "Float32"})
    day = pd.to_datetime(frame["timestamp"], unit="s", utc=True)
    return frame.assign(
        day=day,
        history=[[1, 2], None] * (len(frame) // 2),
        seen=pd.array([True, None] * (len(frame) // 2), dtype="boolean"),
        note=pd.array(["a", None] * (len(frame) // 2), dtype="string"),
        month=day.dt.tz_localize(None).dt.to_period("M"),
        price=[Decimal("1.50"), None] * (len(frame) // 2),
    )


@pytest.fixture(scope="module")
def dropped(table):
    """What is kept of the table."""
    kept = ad.denoise(table, **OPTIONS).kept
    assert 0 < kept.sum() < len(table)
    return kept


@pytest.mark.parametrize("index", INDICES)
def test_rows_of_pandas_come_back_with_their_index_and_types(rich, dropped, index):
    frame = rich.set_axis(INDICES[index](len(rich), np.random.default_rng(3)))
    before = frame.copy()
    result = ad.denoise(frame, **DROPPING)
    np.testing.assert_array_equal(result.kept, dropped)
    clean = result.apply(frame)
    assert_frame_equal(clean, frame.iloc[np.flatnonzero(dropped)])
    assert_frame_equal(frame, before)


@pytest.mark.parametrize("index", INDICES)
def test_labels_that_pandas_rows_count_as_stand_in_their_rows(rich, index):
    frame = rich.set_axis(INDICES[index](len(rich), np.random.default_rng(3)))
    before = frame.copy()
    result = ad.denoise(frame, **SOFTENING)
    clean = result.apply(frame)
    assert_frame_equal(clean.drop(columns=["autodenoise_target", "autodenoise_weight"]), frame)
    assert_frame_equal(frame, before)
    np.testing.assert_array_equal(clean["autodenoise_target"], result.soft_labels)
    np.testing.assert_array_equal(clean["autodenoise_weight"], result.weights)
    assert_are_softened(result, frame)


def test_rows_of_polars_come_back_with_their_types(rich, dropped):
    frame = pl.from_pandas(rich.drop(columns=["month"])).with_columns(
        pl.col("genre").cast(pl.Categorical),
        pl.Series("month", [{"year": 2024}] * len(rich)),
        pl.Series("price", [Decimal("1.50"), None] * (len(rich) // 2)),
        pl.Series("own", [object()] * len(rich), dtype=pl.Object),
    )
    unseen = [*UNSEEN, "own"]
    clean = ad.denoise(frame, **{**DROPPING, "exclude": unseen}).apply(frame)
    assert clean.schema == frame.schema
    assert_polars_equal(clean.drop("own"), frame.drop("own").filter(pl.Series(dropped)))
    assert clean["own"].to_list() == [one for one, kept in zip(frame["own"].to_list(), dropped) if kept]
    result = ad.denoise(frame, **{**SOFTENING, "exclude": unseen})
    softened = result.apply(frame)
    assert softened.columns == [*frame.columns, "autodenoise_target", "autodenoise_weight"]
    np.testing.assert_array_equal(softened["autodenoise_target"], result.soft_labels)
    assert_are_softened(result, rich)


def test_rows_of_pyarrow_come_back_with_their_types(rich, dropped):
    table = pa.Table.from_pandas(rich.drop(columns=["month"]), preserve_index=False)
    # Chunks of uneven sizes, one of no rows.
    third = len(rich) // 3
    table = pa.concat_tables([table.slice(0, third), table.slice(0, 0), table.slice(third)])
    table = table.append_column("month", pa.nulls(len(rich)))
    clean = ad.denoise(table, **DROPPING).apply(table)
    assert clean.schema.equals(table.schema, check_metadata=True)
    assert clean.equals(table.filter(pa.array(dropped)))
    result = ad.denoise(table, **SOFTENING)
    softened = result.apply(table)
    assert softened.column_names == [*table.column_names, "autodenoise_target", "autodenoise_weight"]
    np.testing.assert_array_equal(softened["autodenoise_target"], result.soft_labels)
    assert_are_softened(result, rich)


def assert_are_softened(result, frame):
    """Labels of training rows are drawn towards each other, those of other rows are as they were given."""
    assert result.kept.all()
    clicks, training = frame["click"].to_numpy(), (frame["split"] == "train").to_numpy()
    np.testing.assert_array_equal(result.soft_labels > 0.5, clicks == 1)
    np.testing.assert_array_equal(result.soft_labels[~training], clicks[~training])
    assert (np.abs(result.soft_labels - clicks)[training] > 0).all()


def test_rows_of_pandas_are_taken_without_a_second_copy_of_them(rich, dropped):
    frame = rich[["user", "age", "timestamp", "click"]].set_axis(np.arange(len(rich)))
    chunks = pa.chunked_array([["a"] * (len(frame) // 2), ["b"] * (len(frame) // 2)])
    frame["note"] = pd.arrays.ArrowExtensionArray(chunks)
    kind = find_kind(frame)
    kind.filter(frame, dropped)
    tracemalloc.start()
    kept = kind.filter(frame, dropped)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Arrow's memory is not traced, and 40 kB are for Python's own objects.
    assert peak < kept.drop(columns=["note"]).memory_usage().sum() + 4 * len(frame) + 40_000
    assert kept["note"].array.__arrow_array__().num_chunks == 2
    assert_frame_equal(kept, frame.iloc[np.flatnonzero(dropped)])


@pytest.mark.parametrize("few_columns", [0, 50])
def test_rows_of_pandas_keep_what_goes_with_the_frame(rich, dropped, few_columns, monkeypatch):
    monkeypatch.setattr(_pandas, "FEW_COLUMNS", few_columns)
    words = pd.Series(["a"] * len(rich), dtype=object)
    frame = rich.assign(words=words).rename_axis(columns="names")
    frame.attrs["source"] = {"day": 1}
    kind = find_kind(frame)
    clean = kind.filter(frame, dropped)
    assert_frame_equal(clean, frame.iloc[np.flatnonzero(dropped)])
    assert clean.attrs == frame.attrs
    assert clean["words"].dtype == object
    # The new frame shares no memory with the old one.
    clean.loc[clean.index[0], "user"] = -1
    assert (frame["user"] >= 0).all()
    wanted = ["words", "item"]
    assert_frame_equal(kind.filter(frame, dropped, wanted), frame[wanted].iloc[np.flatnonzero(dropped)])


def test_a_frame_of_a_class_of_its_own_stays_one(rich, dropped):
    class Clicks(pd.DataFrame):
        @property
        def _constructor(self):
            return Clicks

    assert type(find_kind(Clicks(rich)).filter(Clicks(rich), dropped)) is Clicks
