import inspect
import re
import subprocess

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from options import OPTIONS

import autodenoise as ad
from autodenoise._options import DenoiseOptions, names_of

# Flags that say how the command line shows and reads what it is given, which are Python's own here; and `--resume`, because a
# run of Python's leaves nothing behind to take up.
NOT_OPTIONS = {"help", "json", "quiet", "verbose", "log", "log_format", "plan", "no_certify", "resume"}


def test_every_flag_is_an_option(program):
    text = subprocess.run([program, "denoise", "--help"], capture_output=True, text=True, check=True).stdout
    flags = {flag.replace("-", "_") for flag in re.findall(r"^\s+(?:-\w, )?--([a-z-]+)", text, re.MULTILINE)}
    assert flags - NOT_OPTIONS == set(names_of(DenoiseOptions)) - {"certify"}


def test_the_signature_lists_the_options():
    assert {"label", "split_column", "certify"} <= set(inspect.signature(ad.denoise).parameters)


def test_the_three_kinds_of_frame_agree_and_stay_what_they_are(frame):
    frames = [frame, pl.from_pandas(frame), pa.Table.from_pandas(frame, preserve_index=False)]
    results = [ad.denoise(one, **OPTIONS) for one in frames]
    assert results[0].verdict == "not_evaluated"
    for one, result in zip(frames, results):
        np.testing.assert_array_equal(result.kept, results[0].kept)
        clean = result.apply(one)
        assert type(clean) is type(one)
        assert len(clean) == result.kept.sum() < len(frame)
    assert ((results[0].weights > 0) == results[0].kept).all()


def test_rows_are_taken_by_position_whatever_the_index(frame):
    frame.index = pd.Index([7] * len(frame), name="twice")
    frame = frame.astype({"device": "category", "item": "Int64", "age": "Float32"})
    frame["day"] = pd.to_datetime(frame["timestamp"], unit="s", utc=True)
    frame["history"] = [[1, 2]] * len(frame)
    result = ad.denoise(frame, **{**OPTIONS, "exclude": ["timestamp", "day", "history"]})
    pd.testing.assert_frame_equal(result.apply(frame), frame.iloc[np.flatnonzero(result.kept)])


def test_a_path_is_read_by_the_program(csv, frame):
    result = ad.denoise(csv, **OPTIONS)
    assert len(result.kept) == len(frame)
    assert len(result.apply(frame)) == result.kept.sum()


def test_a_result_says_what_came_out(frame):
    result = ad.denoise(frame, **OPTIONS)
    assert str(result).endswith("verdict: not_evaluated")
    assert "Next: " in str(result)
    assert "<b" in result._repr_html_()
    assert result.certificate


def test_errors_carry_the_words_of_the_program(frame):
    with pytest.raises(ad.Refused, match="did you mean `click`") as refused:
        ad.denoise(frame, label="clicks")
    assert refused.value.code == 3
    with pytest.raises(ad.WrongOption, match="nix"):
        ad.denoise(frame, label="click", backbone="nix")
    with pytest.raises(ad.WrongOption, match="no option `lable`; did you mean `label`"):
        ad.denoise(frame, lable="click")
    with pytest.raises(ad.WrongOption, match="`certify` is True or False, and not 5; .* `certify_seeds`"):
        ad.denoise(frame, label="click", certify=5)
    with pytest.raises(ad.WrongOption, match="there is no table"):
        ad.denoise(label="click")
    with pytest.raises(ad.UnusableFrame, match="a dict"):
        ad.denoise({"click": [1]}, label="click")


def test_a_column_of_several_types_is_named(frame):
    frame["mixed"] = [1, "a"] * (len(frame) // 2)
    with pytest.raises(ad.UnusableFrame, match="'mixed'"):
        ad.check(frame, label="click")
    assert "mixed" not in repr(ad.check(frame, label="click", exclude=["mixed"]))


def test_a_check_lists_the_columns(frame):
    table = ad.check(frame, label="click", split_column="split", exclude=["timestamp"])
    assert [column.name for column in table.columns] == ["user", "item", "age", "device", "genre"]
    assert sum(table.rows.values()) == len(frame)
