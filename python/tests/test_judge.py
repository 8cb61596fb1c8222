import numpy as np
import pytest
from options import OPTIONS

import autodenoise as ad


def test_arms_are_handed_out_and_predictions_taken_in(frame):
    result = ad.denoise(frame, **OPTIONS)
    seen = []

    def train(train, valid, test, seed):
        assert "click" in train
        assert "click" not in test
        seen.append((len(train), seed))
        random = np.random.default_rng(seed)
        return random.random(len(test)), random.random(len(valid))

    judged = ad.judge(frame, result, train, certify_seeds=2)
    if result.kept.all() or not seen:
        assert judged.verdict == "not_better"
    else:
        assert len(seen) == 6
        assert judged.verdict in ("not_better", "inconclusive")
        assert judged.certificate


@pytest.mark.parametrize(
    ("predict", "said"),
    [
        (lambda rows: np.full((rows, 2), 0.5), "`predict_proba` take the column of label 1"),
        (lambda rows: np.full(rows - 1, 0.5), "must be of shape"),
        (lambda rows: np.full(rows, 3.0), "that of row 0 is 3.0"),
        (lambda rows: np.append(np.full(rows - 1, 0.5), np.nan), "is nan"),
    ],
)
def test_predictions_that_are_none_are_refused_at_the_first_training(frame, predict, said):
    trainings = []

    def train(train, valid, test, seed):
        trainings.append(seed)
        return predict(len(test))

    with pytest.raises(ad.Refused, match=said):
        ad.judge(frame, ad.denoise(frame, **OPTIONS), train)
    assert len(trainings) == 1


def test_another_frame_is_not_judged(frame):
    result = ad.denoise(frame, **OPTIONS)
    with pytest.raises(ad.NotVerified, match="^the frame is not the table that the certificate"):
        ad.judge(frame.assign(age=1), result, lambda train, valid, test, seed: np.zeros(len(test)))


def test_a_result_of_a_folder_needs_to_be_told_how_its_table_is_read(frame, tmp_path):
    result = ad.Result(ad.denoise(frame, **OPTIONS).save(tmp_path / "saved"))
    with pytest.raises(ad.WrongOption, match="say `label`"):
        ad.judge(frame, result, lambda train, valid, test, seed: np.zeros(len(test)))
    with pytest.raises(FileNotFoundError, match=r"there is no result in .*: it has no report\.json"):
        ad.Result(tmp_path)
