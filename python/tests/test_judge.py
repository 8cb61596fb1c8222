import numpy as np
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
