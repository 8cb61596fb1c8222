"""The options of the command line, as keyword arguments with types.

Every flag of `autodenoise denoise` that makes sense from Python has a member here of the same name, with `_` for `-`. What
is said of them here in a line, `autodenoise denoise --help` says at length.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    TypedDict,
    TypeVar,
    Union,
    cast,
)

import numpy as np

from ._errors import WrongOption

if TYPE_CHECKING:
    from os import PathLike

    StrPath = Union[str, PathLike[str]]

Progress = Union[bool, Callable[[str], None], None]
"""Whether progress is shown: True, False, a function that is handed each line, or None for where somebody looks."""


class TableOptions(TypedDict, total=False):
    """How the table is read."""

    label: str
    """The label: a column of 0 and 1 (`click`), or a rule (`rating > 3`)."""
    features: Sequence[str]
    """Columns the models see; by default all but the label's, the split's, `time` and `exclude`."""
    exclude: Sequence[str]
    """Columns the models do not see; `C*` is every column that starts with C."""
    split_column: str
    """Column that holds train, valid or test."""
    split: tuple[float, float, float]
    """Shares of train, valid and test; (0.8, 0.1, 0.1) by default."""
    split_seed: int
    """Seed of a random split."""
    split_time: str
    """Split by time: the earliest rows by this column train, the latest test."""
    split_group: str
    """Split by the values of a column, for example of users: no value has rows in two splits."""
    split_stratified: bool
    """Split the rows of each label by the same shares: for labels that are rare."""
    time: str
    """Column that says when a row happened; models do not see it."""
    category: Sequence[str]
    """Columns whose every value is a category."""
    numeric: Union[Sequence[str], Mapping[str, str]]
    """Columns of numbers that are put into buckets: names, or how (`{"age": "quantile:8", "price": "log"}`)."""
    multi: Mapping[str, str]
    """Columns of several values to a cell: `{"genres": "|:4"}`, `{"history": "^:last:20"}`."""
    missing: Sequence[str]
    """Words that mean that a cell has no value."""
    strict: bool
    """Refuse the table where a field should perhaps be none; otherwise each is named in a warning."""
    on_bad_row: str
    """What becomes of a row that cannot be read: `error` refuses the table, `skip` leaves the row out."""
    max_bad_rows: int
    """With `on_bad_row="skip"`: refuse the table where more rows than this are bad."""
    vocabulary: str
    """Rows the vocabulary is taken from: `train` or `all`."""
    separator: str
    """Separator of a text table."""
    quote: str
    """What cells of a text table are quoted with: one character, or `none`."""
    escape: str
    """Character that makes a quote or a separator behind it part of the cell."""
    columns: Sequence[str]
    """Names of the columns of a text table without a header line."""
    skip_lines: int
    """Lines at the start of a text table that are neither names nor rows."""
    comment: str
    """What lines of a text table start with that are no rows."""
    encoding: str
    """Encoding of a text table."""
    member: str
    """The file in a zip archive that is the table."""
    format: str
    """Format of the file: `csv`, `parquet` or `jsonl`."""
    spec: Union[Mapping[str, Any], StrPath]
    """A spec, or the JSON file of one, with `dataset` and any part of a job's; the other options win over it."""
    stream: bool
    """Read what is at an address over the network in every pass, instead of copying it first."""
    work_dir: StrPath
    """Folder for intermediate files, about the size of the table; emptied at the end."""


class PartOptions(TypedDict, total=False):
    """A table whose train, valid and test rows are in files of their own."""

    train: Union[StrPath, Sequence[StrPath]]
    """Files of the training rows."""
    valid: Union[StrPath, Sequence[StrPath]]
    """Files of the validation rows."""
    test: Union[StrPath, Sequence[StrPath]]
    """Files of the test rows."""


class CertifyOptions(TypedDict, total=False):
    """How a verdict is reached."""

    certify_seeds: int
    """Seeds that kept rows, all rows and random rows are each trained with for the verdict; 5 by default."""
    alpha: float
    """The most that all verdicts on the table's test rows may err by together; 0.05 by default."""
    min_delta_auc: float
    """The gain in AUC must be above this; 0 by default."""
    max_delta_logloss: float
    """Log-loss may rise by at most this, after recalibration on validation rows; 0.002 by default."""
    cluster: str
    """Field whose values the test rows are clustered by, users for example."""
    trusted: str
    """Test rows whose labels are known to be right, and alone count for the verdict: `rating >= 4`."""
    earlier_reads: int
    """How many verdicts there were before on this table's test rows."""
    signing_key: StrPath
    """Key that the certificate is signed with; made where the file is missing."""


class MethodOptions(CertifyOptions, total=False):
    """How rows are chosen, and what is shown of it."""

    method: str
    """How rows are chosen; `robust` by default."""
    compare: Union[str, Sequence[str]]
    """Other methods to set beside it, or `all`; with options as `METHOD:NAME=VALUE;NAME=VALUE`."""
    transfer: Sequence[str]
    """Other backbones to train on what each method chose."""
    sweep: Mapping[str, Sequence[Any]]
    """The method again with each of these values of one option."""
    tune: Union[Sequence[float], str]
    """Weight decays that every model is tuned over, or `off`."""
    seeds: int
    """Do everything with this many seeds."""
    preset: str
    """Option values to start from: `paper`, `released_code` or `robust`."""
    backbone: str
    """The recommender model; `deepfm` by default."""
    epochs: int
    """Outer epochs of search and validation."""
    warmup_epochs: int
    """Rows of the loss history."""
    select_ratio: float
    """Share of rows kept."""
    option: Mapping[str, Any]
    """Any other option of the method: `{"reward_norm": "standardize"}`."""
    seed: int
    """Seed of every random number of the job; 42 by default."""
    device: str
    """Where to compute: `auto`, `cpu` or `cuda:N`."""
    engine: str
    """What computes: `auto`, `tch` or `fused`."""
    certify: bool
    """False: do not train again and again for a verdict."""
    reselect: bool
    """Choose the rows anew with each seed of the verdict."""
    self_check: Union[bool, float]
    """Also flip this share of the labels (True: a tenth), and see whether the method finds the flips."""
    checkpoint_seconds: int
    """Least time between two checkpoints."""
    threads: int
    """Threads to compute with; all cores by default."""


class DenoiseOptions(TableOptions, PartOptions, MethodOptions, total=False):
    """All options of `denoise`."""

    judge: str
    """Command that trains your own model, for a verdict by it; `autodenoise.judge` takes a function instead."""
    judge_timeout: int
    """The most seconds that a run of that command may take."""
    results: StrPath
    """Folder for every result; by default a private one that goes with the result."""
    report: StrPath
    """File for the page with what came out."""
    out: StrPath
    """Where the denoised table goes, of a table that was given by its path."""
    if_refused: str
    """What is written to `out` where the verdict is not `certified`: `nothing`, `all` or `kept`."""


class CheckOptions(TableOptions, PartOptions, total=False):
    """All options of `check`."""


class PlanOptions(TableOptions, PartOptions, MethodOptions, total=False):
    """All options of `plan`."""


class JudgeOptions(CertifyOptions, TableOptions, total=False):
    """All options of `judge`."""


SWITCHES = {"split_stratified", "strict", "reselect"}
COMMAS = {"features", "exclude", "category", "numeric", "missing", "columns", "transfer", "tune", "split"}
# That no column is named is what the program takes for granted.
NONE_BY_DEFAULT = {"exclude", "category", "numeric", "transfer"}
REPEATED = {"multi", "compare", "option", "train", "valid", "test"}


def names_of(options: type) -> list[str]:
    """The names of the members of one of the classes above, in their order, those of its bases first."""
    return list(options.__annotations__)


def table_names() -> list[str]:
    """The names of the options that say how a table is read."""
    return names_of(TableOptions)


def to_flags(options: Mapping[str, Any], known: Iterable[str], folder: Path) -> list[str]:
    """The flags that say the same as these options.

    Args:
        options: Names and values; those that are None say nothing.
        known: The names that the command has.
        folder: Where a spec that is no file is written to.

    Raises:
        WrongOption: There is no such option, or no flag can say its value.
    """
    known = list(known)
    flags: list[str] = []
    for name, value in options.items():
        if name not in known:
            alike = get_close_matches(name, known, n=1)
            meant = f"; did you mean `{alike[0]}`?" if alike else ""
            raise WrongOption(f"there is no option `{name}`{meant}; there are {', '.join(known)}")
        if value is not None:
            flags.extend(_flags_of(name, value, folder))
    return flags


def _flags_of(name: str, value: Any, folder: Path) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if name == "certify":
        # A number would pass for True, and is meant as that of the seeds.
        if not isinstance(value, (bool, np.bool_)):
            raise WrongOption(f"`certify` is True or False, and not {value!r}; how many seeds there are says `certify_seeds`")
        return [] if value else ["--no-certify"]
    if name in SWITCHES:
        return [flag] if value else []
    if name == "self_check" and isinstance(value, bool):
        return [flag] if value else []
    if name == "spec" and isinstance(value, Mapping):
        file = folder / "spec.json"
        file.write_text(json.dumps(value))
        return [f"{flag}={file}"]
    if name == "sweep":
        return [f"{flag}={_sweep(value)}"]
    if name in COMMAS:
        named = _commas(name, value)
        return [] if named == "" and name in NONE_BY_DEFAULT else [f"{flag}={named}"]
    if name in REPEATED:
        return [f"{flag}={item}" for item in _items(value)]
    return [f"{flag}={_text(value)}"]


def _sweep(value: Mapping[str, Sequence[Any]]) -> str:
    if len(value) != 1:
        raise WrongOption(f"`sweep` is of one option, and this names {len(value)}: {', '.join(value)}")
    ((option, values),) = value.items()
    return f"{option}={','.join(json.dumps(one) for one in values)}"


def _commas(name: str, value: Any) -> str:
    items = _items(value)
    for item in items:
        if "," in item and not isinstance(value, str):
            raise WrongOption(f"`{name}` names {item!r}: names with a comma can only be said with `spec`")
    return ",".join(items)


def _items(value: Any) -> list[str]:
    """A word is one item, a mapping is `NAME=VALUE` for each of its members."""
    if isinstance(value, Mapping):
        return [f"{name}={_text(one)}" for name, one in cast("Mapping[str, Any]", value).items()]
    if isinstance(value, (str, os.PathLike)):
        return [os.fspath(cast("str", value))]
    return [_text(one) for one in value]


def _text(value: Any) -> str:
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(cast("str", value))
    # numpy's numbers are none of JSON's.
    return json.dumps(value.item() if hasattr(value, "item") else value)


Function = TypeVar("Function", bound=Callable[..., Any])


def lists_options(options: type) -> Callable[[Function], Function]:
    """Makes a function that takes `**options` list them in its signature, for `help` and for completion in notebooks."""

    def list_them(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        hints = _annotations_of(options)
        taken = {one.name for one in own}
        listed = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)
            for name, hint in hints.items()
            if name not in taken
        ]
        cast(Any, function).__signature__ = signature.replace(parameters=own + listed)
        return function

    return list_them


def _annotations_of(options: type) -> dict[str, str]:
    """The types of the members as they are written here."""
    return {name: getattr(hint, "__forward_arg__", str(hint)) for name, hint in options.__annotations__.items()}
