import numpy as np
from options import OPTIONS
from sklearn.base import clone

import autodenoise as ad


def test_it_is_an_estimator(frame):
    more = {name: OPTIONS[name] for name in ("exclude", "tune", "option")}
    denoiser = ad.Denoiser(method="random_drop", backbone="fm", certify=False, options=more)
    assert clone(denoiser).get_params() == denoiser.get_params()
    columns, labels = frame.drop(columns=["click", "split"]), frame["click"].map({0: "no", 1: "yes"})
    kept, classes = denoiser.fit_resample(columns, labels)
    assert denoiser.n_features_in_ == columns.shape[1]
    assert list(denoiser.classes_) == ["no", "yes"]
    assert len(kept) == len(classes) == denoiser.keep_.sum() < len(frame)
    np.testing.assert_array_equal(classes, labels[denoiser.keep_])
