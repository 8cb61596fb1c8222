import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from options import OPTIONS
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import autodenoise as ad

QUICK = {
    "method": "random_drop",
    "backbone": "fm",
    "certify": False,
    "options": {name: OPTIONS[name] for name in ("exclude", "tune", "option")},
}


@pytest.fixture
def columns(frame):
    return frame.drop(columns=["click", "split"])


@pytest.fixture
def labels(frame):
    return frame["click"].map({0: "no", 1: "yes"})


# All of scikit-learn's checks pass, so no failure is expected of any. Tables of twenty rows come with as many warnings.
@pytest.mark.filterwarnings("ignore::autodenoise.DataWarning")
@parametrize_with_checks([ad.Denoiser()])
def test_it_keeps_to_the_conventions(estimator, check):
    check(estimator)


def test_it_gives_the_rows_to_train_on(frame, columns, labels):
    denoiser = ad.Denoiser(**QUICK)
    kept, classes = denoiser.fit_resample(columns, labels)
    assert list(denoiser.classes_) == ["no", "yes"]
    assert len(kept) == len(classes) == denoiser.keep_.sum() < len(frame)
    np.testing.assert_array_equal(classes, labels[denoiser.keep_])
    np.testing.assert_array_equal(denoiser.sample_weight_ > 0, denoiser.keep_)
    np.testing.assert_array_equal(denoiser.soft_labels_, frame["click"])
    pd.testing.assert_frame_equal(kept, columns[denoiser.keep_])


def test_kinds_of_frames_agree(columns, labels):
    denoiser = ad.Denoiser(**QUICK)
    keep = denoiser.fit(columns, labels).keep_
    for other in (pl.from_pandas(columns), pa.Table.from_pandas(columns, preserve_index=False)):
        kept, _ = denoiser.fit_resample(other, labels)
        assert type(kept) is type(other)
        np.testing.assert_array_equal(denoiser.keep_, keep)
        np.testing.assert_array_equal(denoiser.feature_names_in_, columns.columns)
        assert denoiser.n_features_in_ == columns.shape[1]


def test_arrays_and_lists_may_have_words_and_missing_values(frame):
    values = frame[["user", "item", "device"]].to_numpy(dtype=object)
    values[0] = [None, np.nan, None]
    denoiser = ad.Denoiser(**{**QUICK, "options": {"tune": "off"}})
    kept, _ = denoiser.fit_resample(values, frame["click"])
    assert kept.shape == (denoiser.keep_.sum(), 3)
    assert not hasattr(denoiser, "feature_names_in_")
    keep = denoiser.keep_
    np.testing.assert_array_equal(denoiser.fit(values.tolist(), frame["click"].tolist()).keep_, keep)


def test_a_fitted_one_can_be_pickled_and_cloned(columns, labels):
    denoiser = ad.Denoiser(**QUICK).fit(columns, labels)
    stored = pickle.dumps(denoiser)
    assert clone(denoiser).get_params() == denoiser.get_params()
    keep, folder = denoiser.keep_, denoiser.result_.folder
    del denoiser
    assert not folder.exists()
    again = pickle.loads(stored)
    np.testing.assert_array_equal(again.keep_, keep)
    # What a result reads only when it is asked for is there, too.
    assert len(again.result_.apply(columns)) == keep.sum()
    assert again.result_.explanations().num_rows > 0
    assert again.result_.folder.exists()


def test_a_random_state_is_drawn_from(columns, labels):
    def keep(random_state):
        return ad.Denoiser(**QUICK, random_state=random_state).fit(columns, labels).keep_

    np.testing.assert_array_equal(keep(np.random.RandomState(1)), keep(np.random.RandomState(1)))
    assert (keep(np.random.RandomState(1)) != keep(7)).any()


def test_parameters_can_be_set():
    assert ad.Denoiser().set_params(backbone="fm", options={"tune": "off"}).get_params()["backbone"] == "fm"
    with pytest.raises(ValueError, match="Invalid parameter 'epochs'"):
        ad.Denoiser().set_params(epochs=2)


def test_what_cannot_be_used_is_said(columns, labels):
    with pytest.raises(ValueError, match="y has 3 classes"):
        ad.Denoiser(**QUICK).fit(columns, np.arange(600) % 3)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ad.Denoiser(**QUICK).fit(columns, labels[:-1])
    with pytest.raises(ValueError, match="'autodenoise_label'"):
        ad.Denoiser(**QUICK).fit(columns.rename(columns={"age": "autodenoise_label"}), labels)
    with pytest.raises(ad.WrongOption, match="nix"):
        ad.Denoiser(backbone="nix").fit(columns, labels)
