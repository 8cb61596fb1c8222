//! The words that options take (spec `autodenoise.md`, section 6).

use crate::types::words::choice;

choice!(
    /// A set of option values to start from.
    Preset {
        /// As the paper writes, with the safe choices of spec section 6.
        Paper = "paper",
        /// As the authors' released code computes.
        ReleasedCode = "released_code",
        /// Ours: AutoDenoise with a loss history that is cross-fitted, rewards that see the label, and a subset that keeps
        /// models calibrated; it may keep every row. `docs/robust.md` has what it is worth.
        Robust = "robust",
    }
);
choice!(
    /// Section 6 row 1: how the first action is drawn.
    Action {
        Sample = "sample",
        /// The likelier action, flipped with probability `epsilon`.
        EpsGreedy = "eps_greedy",
    }
);
choice!(
    /// Row 2: how the second action, the one the model's update uses, is drawn.
    UpdateAction { Sample = "sample", Greedy = "greedy" }
);
choice!(
    /// Row 4: what a reward is.
    Reward {
        /// One per row.
        Instance = "instance",
        /// The sum over the batch's selected rows, given to every row.
        BatchSum = "batch_sum",
        /// The mean over the batch's selected rows, given to every row.
        BatchMean = "batch_mean",
    }
);
choice!(
    /// Row 5: the reward of a deselected row.
    DeselectedReward {
        Zero = "zero",
        /// Minus the reward it would have had.
        Negate = "negate",
        /// The batch's.
        Batch = "batch",
    }
);
choice!(
    /// Row 6.
    PolicyReduction { Mean = "mean", Sum = "sum" }
);
choice!(
    /// Row 7: centring and scaling of rewards within a batch.
    RewardNorm { None = "none", Center = "center", Standardize = "standardize" }
);
choice!(
    /// Row 8: mode of the model when its loss makes a reward.
    RewardForward {
        /// Running BatchNorm statistics, no dropout.
        Eval = "eval",
        /// Batch statistics and dropout; running statistics stay as they are.
        TrainNograd = "train_nograd",
    }
);
choice!(
    /// Row 9: which loss the history stores.
    LmatLoss { Eval = "eval", Train = "train" }
);
choice!(
    /// Row 10: what the history holds for a deselected row.
    LmatDeselected {
        EvaluateAll = "evaluate_all",
        Carry = "carry",
        KeepRow = "keep_row",
        FillMean = "fill_mean",
    }
);
choice!(
    /// Row 13.
    Optimizer {
        Adam = "adam",
        /// Adam that moves only those rows of a table that the batch read: much cheaper on a CPU where vocabularies are
        /// large, and another algorithm (momentum and weight decay of the other rows rest).
        LazyAdam = "lazy_adam",
        Sgd = "sgd",
    }
);
choice!(
    /// Row 15: how the validation phase selects rows.
    Select {
        /// The k likeliest of each batch.
        Topk = "topk",
        /// Keep probability above one half.
        Threshold = "threshold",
        /// A draw for each row.
        Sample = "sample",
        /// The k likeliest of all rows.
        TopkGlobal = "topk_global",
    }
);
choice!(
    /// Row 18: what makes an epoch's subset the best.
    SelectBy { ValidAuc = "valid_auc", TestAuc = "test_auc", ValidLogloss = "valid_logloss" }
);
choice!(
    /// Row 23: the initial weights of each fresh model.
    Reinit { Fresh = "fresh", SameSeed = "same_seed" }
);
choice!(
    /// Section 7: a model update with fewer than `min_selected` rows.
    OnFewSelected {
        Skip = "skip",
        AdamZeroGrad = "adam_zero_grad",
        SelectAll = "select_all",
        Error = "error",
    }
);
choice!(
    /// What AUC ranks.
    AucOn { Prob = "prob", Logit = "logit" }
);
