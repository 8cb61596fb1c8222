"""`denoise` as an estimator of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.base import BaseEstimator  # pyright: ignore
from sklearn.utils import (  # pyright: ignore
    ClassifierTags,
    Tags,
    check_consistent_length,
    column_or_1d,
)
from sklearn.utils.multiclass import check_classification_targets  # pyright: ignore
from sklearn.utils.validation import validate_data  # pyright: ignore

from ._denoise import denoise
from ._frames import FrameKind, find_kind
from ._frames._arrow import ArrowKind
from ._options import Progress

LABEL = "autodenoise_label"


class Denoiser(BaseEstimator):  # pyright: ignore
    """Chooses the rows to train on: `Denoiser().fit(X, y).keep_`.

    It is a sampler: `fit_resample` gives the rows that are worth training on, as imbalanced-learn's do. The rows are split at
    random into training, validation and test rows, with the same shares of both classes, unless `options` has a split; only
    rows of the first two can be dropped, for the test rows are what the verdict is reached on.

    Args:
        method: How rows are chosen; `robust` by default.
        backbone: The recommender model; `deepfm` by default.
        certify: Whether models are trained again and again for a verdict.
        if_refused: What is kept where the verdict says no: `all` rows, or the `kept` rows all the same.
        random_state: The seed of every random number, or a `RandomState` to draw it from; None is the program's own, which is
            always the same.
        options: Any other option of `denoise`, as `{"split_group": "user"}`.
        progress: As of `denoise`.

    Attributes:
        keep_: Whether each row is to be trained on, of shape (rows,).
        sample_weight_: What each row weighs in training, of shape (rows,); 0 where it is dropped.
        soft_labels_: The probability of the second class that each row counts as, of shape (rows,).
        result_: The `Result`, with verdict, findings and report.
        verdict_: Its verdict.
        classes_: The two classes, of shape (2,).
        n_features_in_: The columns of X.
        feature_names_in_: Their names, where all are text; of shape (n_features_in_,).
    """

    keep_: npt.NDArray[np.bool_]
    sample_weight_: npt.NDArray[np.float32]
    soft_labels_: npt.NDArray[np.float64]
    classes_: npt.NDArray[Any]
    n_features_in_: int

    def __init__(
        self,
        *,
        method: Optional[str] = None,
        backbone: Optional[str] = None,
        certify: bool = True,
        if_refused: str = "all",
        random_state: Union[int, np.random.RandomState, None] = 42,
        options: Optional[Mapping[str, Any]] = None,
        progress: Progress = None,
    ) -> None:
        """Keeps what it is given, as scikit-learn asks for; `fit` looks at it."""
        self.method = method
        self.backbone = backbone
        self.certify = certify
        self.if_refused = if_refused
        self.random_state = random_state
        self.options = options
        self.progress: Progress = progress

    def fit(self, X: Any, y: Any) -> Denoiser:  # noqa: N803 (scikit-learn's names)
        """Finds the rows to train on.

        Args:
            X: An array or a frame of shape (rows, columns). Columns may be numbers or words, and values may be missing.
            y: Labels of two classes, of shape (rows,).
        """
        kind, table = self._take_in(X)
        labels = self._encode(y)
        check_consistent_length(X, labels)
        table = kind.with_columns(table, {LABEL: labels})
        given: dict[str, Any] = {"method": self.method, "backbone": self.backbone, "seed": self._seed(), **(self.options or {})}
        if not any(name.startswith("split") for name in given):
            given["split_stratified"] = True
        given.update(label=LABEL, certify=self.certify)
        result = denoise(table, progress=self.progress, **given)
        refused = result.verdict.value in ("not_better", "inconclusive") and self.if_refused != "kept"
        soft = labels.astype(np.float64) if refused else np.where(np.isnan(result.soft_labels), labels, result.soft_labels)
        self.result_ = result
        self.verdict_ = result.verdict
        self.keep_ = np.ones_like(result.kept) if refused else result.kept
        self.sample_weight_ = np.ones_like(result.weights) if refused else result.weights
        self.soft_labels_ = soft
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, npt.NDArray[Any]]:  # noqa: N803
        """The rows to train on, and the class that each counts as.

        Args:
            X: As of `fit`.
            y: As of `fit`.

        Returns:
            The rows of X that are kept, as X's type, and their classes of shape (kept rows,): those that were relabelled
            have the other class.
        """
        self.fit(X, y)
        kind = _find_frame(X)
        kept = np.asarray(X)[self.keep_] if kind is None else kind.filter(X, self.keep_)
        return kept, self.classes_[(self.soft_labels_[self.keep_] > 0.5).astype(int)]

    def _take_in(self, X: Any) -> tuple[FrameKind, Any]:  # noqa: N803
        """The columns as a frame; what is known of them is kept."""
        kind = _find_frame(X)
        if kind is not None:
            validate_data(self, X, skip_check_array=True)
            if kind.count_rows(X) == 0:
                raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
            if LABEL in kind.column_names(X):
                raise ValueError(f"X has a column {LABEL!r}, which is the name that y gets: rename it")
            return kind, X
        # Values may be missing, and may be words.
        array: Any = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan")
        columns = {f"x{place}": _read_column(array[:, place]) for place in range(array.shape[1])}
        return ArrowKind(), pa.table(columns)

    def _seed(self) -> Optional[int]:
        """The seed of a run."""
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(2**31))
        return None if self.random_state is None else int(self.random_state)

    def __sklearn_tags__(self) -> Tags:
        """What scikit-learn should know: labels are of two classes, and values may be missing or words."""
        tags: Any = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.classifier_tags = ClassifierTags(multi_class=False)
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags

    def _encode(self, y: Any) -> npt.NDArray[np.int8]:
        """The labels as 0 and 1, of shape (rows,)."""
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(
                f"Only binary classification is supported. y has {len(self.classes_)} class{'es' * (len(self.classes_) != 1)}"
            )
        return codes.astype(np.int8)


def _find_frame(X: Any) -> Optional[FrameKind]:  # noqa: N803
    """The kind of a frame; None of an array, a list, and all else that scikit-learn is to look at."""
    return find_kind(X) if hasattr(X, "columns") else None


def _read_column(values: npt.NDArray[Any]) -> Any:
    """A column for pyarrow. Words and numbers in one column are words."""
    if values.dtype != np.dtype(object):
        return pa.array(values)
    listed: Sequence[Any] = values.tolist()
    if all(one is None or isinstance(one, (int, float)) for one in listed):
        return pa.array(listed, from_pandas=True)
    return pa.array([None if one is None or one != one else str(one) for one in listed])
