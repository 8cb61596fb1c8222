"""The verdict by your own model: rows handed to your training function, its predictions taken in, the verdict given."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

import numpy as np
import numpy.typing as npt

from ._errors import Refused, UnusableFrame, WrongOption
from ._options import CertifyOptions, JudgeOptions, Progress, TableOptions, lists_options, names_of, to_flags
from ._outcome import CERTIFICATE, FOLDER, PAGE, REPORT, Outcome
from ._process import run_program
from ._progress import screen_for
from ._result import Result
from ._table import TableFile, table_file

if TYPE_CHECKING:
    from typing_extensions import Unpack

Frame = TypeVar("Frame")
Numbers = Union["npt.NDArray[Any]", Sequence[float]]
Predictions = Union[Numbers, tuple[Numbers, Numbers]]
Train = Callable[[Frame, Frame, Frame, int], Predictions]
"""`train(train, valid, test, seed)`: frames of the type that was handed over, and what all that is random is seeded with.

It gives the probability of label 1 of each test row, of shape (test rows,); or a pair, with those of the validation rows
behind, of shape (valid rows,), which makes log-loss be judged after recalibration.
"""

# The method changed nothing, so there is nothing to train.
NOTHING_CHANGED = 7
OF_VERDICT = {"earlier_reads", "signing_key", "work_dir"}
NOT_OF_ARMS = {"earlier_reads", "signing_key"}
ARMS_IN_WORDS = {"full": "all rows", "denoised": "kept rows", "random": "random rows"}


class Judged(Outcome):
    """The verdict by models of somebody else's."""

    def __init__(self, folder: Path, *, told: Mapping[str, Any], owner: Optional[tempfile.TemporaryDirectory[str]] = None) -> None:
        """The verdict in a folder; `told` is the report as the program printed it, and `owner` the folder to go with it."""
        super().__init__(folder, told, owner=owner)
        self.report["verdict"] = told["verdict"]


@lists_options(JudgeOptions)
def judge(
    frame: Frame,
    result: Result,
    train: Train[Frame],
    *,
    model: Optional[str] = None,
    progress: Progress = None,
    **options: Unpack[JudgeOptions],
) -> Judged:
    """Has your own model say whether it gains by the rows kept.

    `train` is called once for each arm (all rows, kept rows, as many random rows treated alike) and seed, 15 times with 5
    seeds. It is handed the arm's training rows, the validation rows, and the test rows without the column that the label is
    in. Where the method relabels or weighs rows, the training rows of the last two arms have the columns `autodenoise_target`
    and `autodenoise_weight`: train on them in place of the label. Nothing is said of how a model did before all have predicted.

    Args:
        frame: The frame that was denoised, of shape (rows, columns).
        result: What `denoise` gave for it, also with `certify=False`.
        train: The training function: see `Train`.
        model: Whose models these are, in the report and the certificate; by default the name of the function.
        progress: As of `denoise`.
        options: Of the evidence, as of `denoise`: `certify_seeds`, `alpha`, .. How the table is read is the result's; a result
            that was opened from a folder does not know it, so there it is said again.

    Returns:
        The verdict. A verdict that says no is one too.

    Raises:
        NotVerified: The frame is not the one that was denoised, or is read otherwise.
        Refused: The predictions cannot be used; the text says why.
        WrongOption: It is not said how the table is read, or an option is none.
    """
    given: dict[str, Any] = {**result.table_options, **options}
    if not result.table_options and given.get("label") is None and given.get("spec") is None:
        raise WrongOption("a result of a folder does not know how its table was read: say `label` and what else it took again")
    with table_file(frame, given) as source:
        if source.kind is None:
            raise UnusableFrame("a frame is judged; for files there is `autodenoise judge arms`")
        arms = source.folder / "arms"
        in_arms = {name: value for name, value in given.items() if name not in NOT_OF_ARMS}
        flags = to_flags(in_arms, names_of(TableOptions) + names_of(CertifyOptions), source.folder)
        paths = [source.paths[0], str(result.folder.absolute())]
        arguments = ["judge", "arms", *flags, "--rows", "--out", str(arms), "--", *paths]
        if run_program(arguments, progress, (0, NOTHING_CHANGED)).code == NOTHING_CHANGED:
            return _nothing_changed(result)
        _train_arms(frame, source, arms, train, progress)
        name = model or f"{train.__module__}.{getattr(train, '__qualname__', type(train).__name__)}"
        in_verdict = {name: value for name, value in given.items() if name in OF_VERDICT}
        flags = to_flags(in_verdict, OF_VERDICT, source.folder)
        arguments = ["judge", "verdict", *flags, f"--model={name}", "--json", "--", *paths, str(arms)]
        told = run_program(arguments, progress, (0, 7, 8)).json()
        owner = tempfile.TemporaryDirectory(prefix=FOLDER)
        for file in (REPORT, PAGE, CERTIFICATE):
            shutil.copy(arms / file, owner.name)
        return Judged(Path(owner.name), told=told, owner=owner)


def _nothing_changed(result: Result) -> Judged:
    """The verdict where there is nothing to train: files are the result's."""
    summary = {"outcome": "The method changed nothing, so there is nothing to train.", "next": ["Train on all rows."]}
    owner = tempfile.TemporaryDirectory(prefix=FOLDER)
    for file in (REPORT, PAGE, CERTIFICATE):
        shutil.copy(result.folder / file, owner.name)
    return Judged(Path(owner.name), told={"verdict": "not_better", "summary": summary}, owner=owner)


def _train_arms(frame: Frame, source: TableFile, arms: Path, train: Train[Frame], progress: Progress) -> None:
    """Calls the training function for every training that the manifest lists, and writes down what it predicts."""
    manifest: Mapping[str, Any] = json.loads((arms / "manifest.json").read_text())
    tables = _Tables(frame, source, arms)
    valid, test = tables.read(manifest["valid"]), tables.read(manifest["test"])
    valid_rows, test_rows = tables.count(manifest["valid"]), tables.count(manifest["test"])
    screen = screen_for(progress)
    runs: Sequence[Mapping[str, Any]] = manifest["runs"]
    try:
        for number, run in enumerate(runs):
            what = f"{ARMS_IN_WORDS.get(run['arm'], run['arm'])}, seed {run['seed']}"
            screen.say(f"training your model on {what} ({number + 1} of {len(runs)})")
            predicted: Any = train(tables.read(run["train"]), valid, test, run["seed"])
            of_test, of_valid = predicted if isinstance(predicted, tuple) else (predicted, None)
            _write(arms / run["predictions"], of_test, test_rows, f"test rows ({what})")
            if of_valid is not None:
                _write(arms / run["valid_predictions"], of_valid, valid_rows, f"validation rows ({what})")
    finally:
        screen.clear()


class _Tables:
    """The tables of the arms, as frames of the type that was handed over."""

    def __init__(self, frame: Any, source: TableFile, arms: Path) -> None:
        assert source.kind is not None
        self._frame, self._kind, self._arms = frame, source.kind, arms
        self._columns = source.kind.column_names(frame)

    def read(self, name: str) -> Any:
        """The rows of a table, with its columns: without the label where it has none, with targets where it has them."""
        import pyarrow.parquet as pq

        file = self._arms / name
        columns: Sequence[str] = pq.read_schema(file).names
        own = [column for column in columns if column in self._columns]
        more = [column for column in columns if column not in self._columns]
        taken = self._kind.filter(self._frame, self._keep(name), own)
        added = pq.read_table(file, columns=more)
        return self._kind.with_columns(taken, {column: added[column].to_numpy() for column in more})

    def count(self, name: str) -> int:
        return len(self._rows(name))

    def _rows(self, name: str) -> npt.NDArray[np.uint64]:
        """The positions of its rows in the frame, in their order."""
        return np.load(self._arms / "rows" / f"{name}.npy")

    def _keep(self, name: str) -> npt.NDArray[np.bool_]:
        keep = np.zeros(self._kind.count_rows(self._frame), dtype=bool)
        keep[self._rows(name)] = True
        return keep


def _write(file: Path, predicted: Numbers, rows: int, of: str) -> None:
    """Writes predictions, a line each. They are checked at once: the program looks at them only after all trainings."""
    values = np.asarray(predicted, dtype=np.float64)
    if values.shape == (rows, 1):
        values = values[:, 0]
    if values.shape != (rows,):
        hint = "; of `predict_proba` take the column of label 1, `[:, 1]`" if values.shape == (rows, 2) else ""
        raise Refused(f"the predictions of the {of} are of shape {values.shape} and must be of shape ({rows},){hint}")
    wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if len(wrong):
        raise Refused(
            f"the predictions of the {of} are probabilities of label 1, and that of row {wrong[0]} is {values[wrong[0]]}: "
            "give no scores, no log-odds and no missing values"
        )
    file.write_text("".join(f"{value!r}\n" for value in values.tolist()))
