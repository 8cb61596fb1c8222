"""What the API takes and answers, as dictionaries with known members.

A server may answer more than this: within ``/v1`` changes only add.
"""
# Written by scripts/python-client.py from openapi/openapi.json.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union

if TYPE_CHECKING:
    from typing_extensions import NotRequired

__all__ = [
    "Action",
    "Arm",
    "ArmResult",
    "ArtifactList",
    "ArtifactView",
    "AttemptPage",
    "AttemptView",
    "AucOn",
    "AuditEntryId",
    "AuditEntryView",
    "AuditOutcome",
    "BackboneKind",
    "BaselineOptions",
    "BdisInit",
    "Calibration",
    "Capabilities",
    "CeData",
    "CellView",
    "Certification",
    "CertifiedArm",
    "CertifiedRun",
    "Certify",
    "CheckpointList",
    "CheckpointView",
    "ClFilter",
    "Clusters",
    "CompareSpec",
    "Compression",
    "Corruption",
    "CorruptionFound",
    "CreatedWebhook",
    "DatasetFromUpload",
    "DatasetId",
    "DatasetPart",
    "DatasetSpec",
    "DatasetStatus",
    "DatasetView",
    "DeliveryView",
    "DenoisedForm",
    "DeselectedReward",
    "Device",
    "Distance",
    "EnemyTies",
    "Engine",
    "EpochRow",
    "ErrorKind",
    "Estimate",
    "EventPage",
    "EventType",
    "EventView",
    "ExampleValue",
    "FeatureMap",
    "Field",
    "FieldError",
    "FieldKind",
    "FieldKindCategory",
    "FieldKindLog",
    "FieldKindMulti",
    "FieldKindQuantile",
    "FieldReading",
    "FieldSpec",
    "FieldSpecColumn",
    "FieldWarning",
    "FileFormat",
    "Findings",
    "Found",
    "Gain",
    "GainReading",
    "Guard",
    "Health",
    "JobId",
    "JobOptions",
    "JobSpec",
    "JobState",
    "JobSummary",
    "JobView",
    "JudgedRows",
    "JudgementId",
    "JudgementSpec",
    "JudgementState",
    "JudgementSummary",
    "JudgementView",
    "KeptShare",
    "KeyId",
    "Knn",
    "LabelColumns",
    "LabelRule",
    "LmatDeselected",
    "LmatLoss",
    "LoglossRise",
    "LongCell",
    "MessageId",
    "MethodName",
    "MethodSpec",
    "Metrics",
    "MetricsView",
    "MultiMode",
    "MultiSpec",
    "NumericSpec",
    "NumericSpecQuantile",
    "NumericSpecQuantileQuantile",
    "OnBadRow",
    "OnFewSelected",
    "Optimizer",
    "OptionValue",
    "Options",
    "OverlapView",
    "PageAuditEntryView",
    "PageDatasetView",
    "PageDeliveryView",
    "PageJobSummary",
    "PageJudgementSummary",
    "PageRowWithCells",
    "PageWebhookView",
    "PageWorkerView",
    "PartRows",
    "PartState",
    "PartUpload",
    "PartView",
    "PartWork",
    "Phase",
    "Plan",
    "PolicyReduction",
    "PredictionsView",
    "Preset",
    "Problem",
    "ProblemItem",
    "Profile",
    "Progress",
    "QueuedMessage",
    "Quota",
    "Quote",
    "RarestValue",
    "ReadAs",
    "ReadGain",
    "Reinit",
    "RemedyKind",
    "Report",
    "Reproduction",
    "ResolvedMethod",
    "ResolvedSpec",
    "Reward",
    "RewardForward",
    "RewardNorm",
    "RowCell",
    "RowError",
    "RowRule",
    "RowView",
    "RowWithCells",
    "RunResult",
    "SecretSpec",
    "Select",
    "SelectBy",
    "SelfCheck",
    "SelfCheckResult",
    "SkippedRows",
    "Slice",
    "Split",
    "SplitCounts",
    "SplitSpec",
    "SplitSpecColumn",
    "SplitSpecGroup",
    "SplitSpecGroupGroup",
    "SplitSpecRatio",
    "SplitSpecRatioRatio",
    "SplitSpecStratified",
    "SplitSpecStratifiedStratified",
    "SplitSpecTime",
    "SplitSpecTimeTime",
    "Stability",
    "Structure",
    "Suspicion",
    "Sweep",
    "TableLine",
    "TableReading",
    "TestRead",
    "TestRows",
    "Tested",
    "TestedPart",
    "TextEncoding",
    "TimeColumn",
    "TimeUnit",
    "TimeUnitMicroseconds",
    "TimeUnitNumber",
    "Trainee",
    "Training",
    "TrainingView",
    "TunedCandidate",
    "TunedStudent",
    "Tuning",
    "TuningSettings",
    "UpdateAction",
    "UploadId",
    "UploadLimits",
    "UploadSample",
    "Verdict",
    "VerdictView",
    "Vocabulary",
    "Warning",
    "WebhookData",
    "WebhookEvent",
    "WebhookId",
    "WebhookPayload",
    "WebhookSecret",
    "WebhookSpec",
    "WebhookView",
    "WorkerView",
]

# Section 6 row 1: how the first action is drawn. - `sample` - `eps_greedy` The likelier action, flipped with
# probability `epsilon`.
Action = Literal["sample", "eps_greedy"]
# Which rows a model was trained on.
Arm = Literal["untuned", "full", "denoised", "random"]
# What AUC ranks. - `prob` - `logit`
AucOn = Literal["prob", "logit"]
AuditEntryId = str
# What became of an action. - `done` It was done, or there was nothing to do. - `refused` It was not done: not allowed,
# not possible, or not well asked for. - `failed` It broke off on the side of the service. - `unknown` The client went
# away before its answer.
AuditOutcome = Literal["done", "refused", "failed", "unknown"]
# The recommender model (spec `backbones.md`). The engine `fused` has the paper's five: `fm`, `wide_deep`, `dcn`, `ipnn`
# and `deepfm`. - `fm` Factorisation machine. - `wide_deep` Wide & Deep: first-order weights and a tower. - `dcn` Deep &
# Cross with vectors for weights. - `ipnn` Tower over embeddings and their inner products. - `deepfm` Factorisation
# machine and tower. - `lr` Logistic regression. - `hofm` Factorisation machine of a higher order. - `ffm` Field-aware
# factorisation machine. - `fnn` Tower over embeddings. - `opnn` Tower over embeddings and their products through a
# matrix for each pair. - `nfm` Tower over the sum of all pairs' products. - `fnfm` Tower over the field-aware products
# of all pairs. - `ncf` Neural collaborative filtering: the product of user and item, and a tower over all fields. -
# `xdeepfm` Compressed interactions and a tower. - `afm` Factorisation machine with attention over the pairs. -
# `autoint` Self-attention over the fields and a tower. - `afn` Interactions of learned orders through logarithms. -
# `dcnv2` Deep & Cross with matrices for weights. - `gdcn` Deep & Cross with gates. - `masknet` Layers behind masks made
# from the embeddings. - `finalmlp` Two towers over gated embeddings, and the product of what they give.
BackboneKind = Literal[
    "fm",
    "wide_deep",
    "dcn",
    "ipnn",
    "deepfm",
    "lr",
    "hofm",
    "ffm",
    "fnn",
    "opnn",
    "nfm",
    "fnfm",
    "ncf",
    "xdeepfm",
    "afm",
    "autoint",
    "afn",
    "dcnv2",
    "gdcn",
    "masknet",
    "finalmlp",
]
# Where 2-means starts (section 5). - `farthest` The row farthest from the mean, and the row farthest from that one. -
# `random` Two rows, drawn.
BdisInit = Literal["farthest", "random"]
# What the losses `t_ce` and `r_ce` train on (spec `baselines.md`, section 6). - `explicit` The labelled rows. -
# `sampled` The official protocol: rows labelled 1, and in each pass anew other items for the same users as rows
# labelled 0.
CeData = Literal["explicit", "sampled"]
# Which rows confident learning leaves out (spec `baselines.md`, section 7). With two classes the last three find the
# same. - `confident_learning` Those counted with another label than their own. - `prune_by_noise_rate` Of each label as
# many as are counted with the other, those that most probably are. - `prune_by_class` Of each label as many as are not
# counted with it, those that least probably are. - `both` Those of the two before alike.
ClFilter = Literal["confident_learning", "prune_by_noise_rate", "prune_by_class", "both"]
Compression = Literal["none", "gzip", "zstd", "bzip2", "xz", "zip"]
# How labels, or rows, are corrupt. - `random_values` Values of a field whose labels are at random. - `inverted_values`
# Values of a field whose labels are turned round. - `added_ones` Values of a field that rows of label 1 were added to,
# by others than those its rows of label 0 are of. - `added_zeros` The same for rows of label 0. - `turned_ones` A cell
# of two fields of which a share of the labels 0 became 1. - `turned_zeros` A cell of two fields of which a share of the
# labels 1 became 0. - `zero_window` A window of time whose labels are all 0. - `one_window` A window of time whose
# labels are all 1. - `inverted_window` A window of time whose labels are turned round. - `random_window` A window of
# time whose labels are at random. - `immature` Labels 1 that have not arrived yet, the more the nearer to the end of
# time. - `repeats` Rows that were written more than once. - `row_noise` Labels that may be wrong here and there: no
# place is blamed, and each row has a soft label by judges that have not seen it. Those gain where labels are right,
# too, if the judges know more than a model of the job would learn.
Corruption = Literal[
    "random_values",
    "inverted_values",
    "added_ones",
    "added_zeros",
    "turned_ones",
    "turned_zeros",
    "zero_window",
    "one_window",
    "inverted_window",
    "random_window",
    "immature",
    "repeats",
    "row_noise",
]
DatasetId = str
# Where a dataset stands.
DatasetStatus = Literal["processing", "ready", "invalid"]
# What a job's `denoised` is, where its dataset has several files.
DenoisedForm = Literal["file", "parts"]
# Row 5: the reward of a deselected row. - `zero` - `negate` Minus the reward it would have had. - `batch` The batch's.
DeselectedReward = Literal["zero", "negate", "batch"]
# `auto` takes a GPU where the worker has one.
Device = str
# How far two rows are apart (section 0.1). - `hvdm` Between the target means of their values: the heterogeneous value
# difference metric. - `hamming` The number of fields in which they differ. - `embedding` Euclidean, between what a
# trained model embeds them as. - `euclidean_codes` Euclidean on the codes themselves, which mean nothing: for attempts
# to reproduce others' figures.
Distance = Literal["hvdm", "hamming", "embedding", "euclidean_codes"]
# Who is blamed where several rows of the other class are equally near (section 4). - `lowest` The first of them. -
# `split` Each for its share.
EnemyTies = Literal["lowest", "split"]
# What computes a job. - `auto` `fused` on a CPU for the backbones it has, else `tch`. - `tch` libtorch, every backbone
# on any device: the reference. - `fused` For CPUs, several times faster than libtorch on one; has the paper's five
# backbones.
Engine = Literal["auto", "tch", "fused"]
# What an attempt ended of.
ErrorKind = Literal[
    "trainer_died",
    "out_of_memory",
    "stalled",
    "dataset",
    "storage",
    "database",
    "lost",
    "deadline",
    "invalid",
    "protocol",
]
# Types of the events clients see. Unknown types are to be ignored.
EventType = Literal[
    "job.queued",
    "job.started",
    "job.requeued",
    "job.pausing",
    "job.paused",
    "job.resumed",
    "job.cancelling",
    "job.succeeded",
    "job.failed",
    "job.cancelled",
    "phase.started",
    "epoch.completed",
    "checkpoint.saved",
    "seed.completed",
    "selfcheck.completed",
    "verdict.issued",
    "log",
]
FieldKind = Union["FieldKindCategory", "FieldKindQuantile", "FieldKindLog", "FieldKindMulti"]
# A field: a column's name, or a column and how to treat it.
FieldSpec = Union[str, "FieldSpecColumn"]
FileFormat = Literal["csv", "parquet", "jsonl"]
JobId = str
# Where a job stands. Terminal states never change.
JobState = Literal["queued", "running", "pausing", "paused", "cancelling", "succeeded", "failed", "cancelled"]
JudgementId = str
# Where a judgement stands.
JudgementState = Literal["preparing", "open", "judging", "judged", "failed"]
KeyId = str
# How neighbours are searched for (section 0.2); each gives the same neighbours. - `brute` Every row of the block. -
# `kdtree` A k-d tree: for any distance but `hamming`, and few dimensions. - `per_user` Rows that share a value, the
# rarest value (as a rule the user) first: for `hamming`.
Knn = Literal["brute", "kdtree", "per_user"]
# A column of 0 and 1 (`click`), a rule over a numeric column (`rating > 3`), or over a column of words (`behavior =
# buy`, `behavior != view`, `behavior in (cart, buy)`, `behavior not in (view, hide)`).
LabelRule = str
# Row 10: what the history holds for a deselected row. - `evaluate_all` - `carry` - `keep_row` - `fill_mean`
LmatDeselected = Literal["evaluate_all", "carry", "keep_row", "fill_mean"]
# Row 9: which loss the history stores. - `eval` - `train`
LmatLoss = Literal["eval", "train"]
# What becomes of a cell with more values than there are places for.
LongCell = Literal["error", "keep_last"]
MessageId = str
# How the rows are chosen. - `autodenoise` The paper's system. - `autodenoise_v` The paper's ablation: the validation
# phase draws each row by itself instead of the likeliest of each batch. - `none` All rows: only the reference model is
# trained. - `random_drop` Control: `select_ratio` of the rows at random. - `loss_drop` Control: drops the rows of the
# highest mean loss over the warm-up. - `enn` Edited nearest neighbours (Wilson 1972): drops rows that their neighbours
# outvote. - `cnn` Condensed nearest neighbours (Hart 1968): keeps what a nearest-neighbour rule needs. - `drop3` Wilson
# and Martinez 2000: ENN, then drops rows that their associates do not need. - `lssm` Local-set smoother (Leyva et al.
# 2015): drops rows that harm more than they help. - `lsbo` Local-set border selector (Leyva et al. 2015). - `bdis`
# Bayesian decision instance selection (Chen et al. 2022), by 2-means clusters of one label. - `t_ce` Truncated
# cross-entropy (Wang et al. 2021): each batch's highest losses of label 1 count nothing. Its subset is what the final
# drop rate keeps of each batch by the trained model's losses. - `r_ce` Reweighted cross-entropy (Wang et al. 2021): a
# row weighs as much as the model believes it. Its subset leaves out as many rows as the weights take away, those of
# smallest weight. - `confident_learning` Confident learning (Northcutt et al. 2021) from cross-fitted probabilities. -
# `trim` Control: drops the rows of the highest loss by models that have not seen them. - `eard` Much as EARD: keeps the
# rows of the best rank by loss, times the mean rank of what else their user and their item have. - `aum` The area under
# the margin (Pleiss et al. 2020): drops the rows whose label has the lowest mean margin over the warm-up. -
# `label_smoothing` Control (Szegedy et al. 2016): all rows, every label moved towards one half. - `robust` Ours: finds
# corruption with a structure, says where it is, and mends it where a tuned model gains by that; it may keep every row.
MethodName = Literal[
    "autodenoise",
    "autodenoise_v",
    "none",
    "random_drop",
    "loss_drop",
    "enn",
    "cnn",
    "drop3",
    "lssm",
    "lsbo",
    "bdis",
    "t_ce",
    "r_ce",
    "confident_learning",
    "trim",
    "eard",
    "aum",
    "label_smoothing",
    "robust",
]
MultiMode = Literal["category", "split"]
# How a number becomes a category.
NumericSpec = Union["NumericSpecQuantile", Literal["log"]]
# What becomes of a row that cannot be read.
OnBadRow = Literal["error", "skip"]
# Section 7: a model update with fewer than `min_selected` rows. - `skip` - `adam_zero_grad` - `select_all` - `error`
OnFewSelected = Literal["skip", "adam_zero_grad", "select_all", "error"]
# Row 13. - `adam` - `lazy_adam` Adam that moves only those rows of a table that the batch read: much cheaper on a CPU
# where vocabularies are large, and another algorithm (momentum and weight decay of the other rows rest). - `sgd`
Optimizer = Literal["adam", "lazy_adam", "sgd"]
# A value of an option: what it takes is said in `Options` and by the method's own options.
OptionValue = Union[bool, float, str, list[float]]
# Where a part of a job stands.
PartState = Literal["waiting", "running", "done"]
# What a running job is doing. Searching and validation alternate, once each per outer epoch.
Phase = Literal["warmup", "search", "validate", "select", "tune", "evaluate", "self_check", "certify", "export"]
# Row 6. - `mean` - `sum`
PolicyReduction = Literal["mean", "sum"]
# A set of option values to start from. - `paper` As the paper writes, with the safe choices of spec section 6. -
# `released_code` As the authors' released code computes. - `robust` Ours: AutoDenoise with a loss history that is
# cross-fitted, rewards that see the label, and a subset that keeps models calibrated; it may keep every row.
# `docs/robust.md` has what it is worth.
Preset = Literal["paper", "released_code", "robust"]
# One wrong part.
ProblemItem = Union["FieldError", "RowError"]
# What cells are quoted with: one character, or `none`.
Quote = str
# How a column's cells became ids.
ReadAs = Literal["category", "quantile", "log", "multi"]
# Row 23: the initial weights of each fresh model. - `fresh` - `same_seed`
Reinit = Literal["fresh", "same_seed"]
# What is done about corrupt rows. - `drop` They are left out. - `relabel` They count as of the other label. -
# `soft_labels` Each counts as of label 1 with a probability. - `weigh` Each weighs as much as it probably belongs.
RemedyKind = Literal["drop", "relabel", "soft_labels", "weigh"]
# Row 4: what a reward is. - `instance` One per row. - `batch_sum` The sum over the batch's selected rows, given to
# every row. - `batch_mean` The mean over the batch's selected rows, given to every row.
Reward = Literal["instance", "batch_sum", "batch_mean"]
# Row 8: mode of the model when its loss makes a reward. - `eval` Running BatchNorm statistics, no dropout. -
# `train_nograd` Batch statistics and dropout; running statistics stay as they are.
RewardForward = Literal["eval", "train_nograd"]
# Row 7: centring and scaling of rewards within a batch. - `none` - `center` - `standardize`
RewardNorm = Literal["none", "center", "standardize"]
# Rows by the value of a column: `rating >= 4`, `source = panel`.
RowRule = str
# Row 15: how the validation phase selects rows. - `topk` The k likeliest of each batch. - `threshold` Keep probability
# above one half. - `sample` A draw for each row. - `topk_global` The k likeliest of all rows.
Select = Literal["topk", "threshold", "sample", "topk_global"]
# Row 18: what makes an epoch's subset the best. - `valid_auc` - `test_auc` - `valid_logloss`
SelectBy = Literal["valid_auc", "test_auc", "valid_logloss"]
Split = Literal["train", "valid", "test"]
# How rows are divided.
SplitSpec = Union["SplitSpecColumn", "SplitSpecRatio", "SplitSpecTime", "SplitSpecStratified", "SplitSpecGroup"]
# How the cross or mask part of a model and its tower stand to each other. - `parallel` `dcnv2`, `gdcn`: side by side
# over the embeddings. `masknet`: `mask_blocks` blocks side by side, then the tower. - `stacked` `dcnv2`, `gdcn`: the
# tower over the cross part. - `stacked_parallel` `dcnv2`: one tower over the cross part and one beside it. -
# `crossnet_only` `dcnv2`: no tower. - `serial` `masknet`: blocks one over the other, as wide as `mlp_dims` says.
Structure = Literal["parallel", "stacked", "stacked_parallel", "crossnet_only", "serial"]
# Why a column should be no field.
Suspicion = Literal["gives_label_away", "unnamed", "different_on_every_row", "constant", "unseen_in_training"]
# Test rows that models are read on. Their labels are as given in each case. - `all` All of them. - `trusted` Those that
# a rule trusts. - `outside_findings` Those that lie in nothing that the method found to be corrupt. It found that
# without test labels.
TestRows = Literal["all", "trusted", "outside_findings"]
# How text is encoded: `utf-8`, `utf-16le`, `utf-16be`, `latin-1`, `windows-1252`, `gbk` or any other encoding of the
# WHATWG's standard, by its name or one of its labels.
TextEncoding = str
# What an encoded time counts. What is finer than the unit is rounded down, so the order of rows stays and two times
# differ as much as in the table, to within one unit.
TimeUnit = Union["TimeUnitMicroseconds", "TimeUnitNumber"]
# How the models that are compared are tuned on validation rows: over a grid of weight decays, all alike. `off`: they
# are trained with the options of the method, but for those of a verdict.
Tuning = Union[Literal["off"], "TuningSettings"]
# Row 2: how the second action, the one the model's update uses, is drawn. - `sample` - `greedy`
UpdateAction = Literal["sample", "greedy"]
UploadId = str
# What the test rows say of the rows kept. - `certified` A tuned model trained on the rows kept ranks better than one
# trained on all rows and better than one trained on as many rows at random, and its log-loss is no worse than allowed.
# - `not_better` It does not: the interval of the gain lies at or below the bound, or that of the log-loss above what is
# allowed. - `inconclusive` The runs do not tell. - `not_evaluated` Nobody asked.
Verdict = Literal["certified", "not_better", "inconclusive", "not_evaluated"]
Vocabulary = Literal["train", "all"]
# What a webhook can be told.
WebhookEvent = Literal["job.succeeded", "job.failed", "job.cancelled", "verdict.issued"]
WebhookId = str
WebhookSecret = str


class ArmResult(TypedDict):
    """How a model trained on an arm's rows did."""

    arm: Arm
    best_pass: int
    passes: int
    """Passes trained, and the one whose weights were used; counted from 1."""
    seconds: float
    seed: int
    test: Metrics
    train_rows: int
    valid: Metrics


class ArtifactList(TypedDict):
    """A ArtifactList."""

    data: list[ArtifactView]


class ArtifactView(TypedDict):
    """A ArtifactView."""

    bytes: int
    download_name: str
    """Name to save it under."""
    media_type: str
    name: str
    """The last part of its address."""
    sha256: str
    """sha256, hexadecimal; also its strong ETag."""


class AttemptPage(TypedDict):
    """A AttemptPage."""

    data: list[AttemptView]
    has_more: bool
    next: NotRequired[int | None]
    """Give it as `after` for the next page."""


class AttemptView(TypedDict):
    """One start of a job by a worker."""

    attempt: int
    ended_at: NotRequired[str | None]
    error: NotRequired[str | None]
    error_kind: NotRequired[ErrorKind | None]
    """Where it ended badly."""
    outcome: NotRequired[str | None]
    """`succeeded`, `failed`, `cancelled`, `paused`, `died` (the trainer), `lost` (the worker) or `released` (handed
    back by a worker that stopped); absent while it runs.
    """
    started_at: str
    worker: str


class AuditEntryView(TypedDict):
    """What somebody did, or tried to."""

    action: str
    """The method and the route, as `POST /v1/jobs/{id}/cancel`; or the operator's command, as `keys create`."""
    address: NotRequired[str | None]
    """Who was connected: a proxy's address where one stands before the service."""
    at: str
    forwarded_for: NotRequired[str | None]
    """`X-Forwarded-For` as it came. It says whom a proxy asked for, if a proxy of yours sets it; else anybody may
    claim it.
    """
    id: AuditEntryId
    key_id: NotRequired[KeyId | None]
    """Absent where no key was asked for, and for what the operator did on the machine itself."""
    object: NotRequired[str | None]
    """The id of what it was done to."""
    outcome: AuditOutcome
    """What became of it."""
    request_id: NotRequired[str | None]
    """As in the log."""
    status: NotRequired[int | None]
    """Of the answer, where there was one."""
    tenant: NotRequired[str | None]
    """Absent where nobody was let in."""


class BaselineOptions(TypedDict, total=False):
    """Options of the baselines beside those of the training. Each method has some of them, see
    [`MethodName::own_options`].
    """

    bdis_init: BdisInit
    bdis_subsample: int
    """Rows that 2-means is trained on; 0: all."""
    bdis_t1: int
    """BDIS keeps one row of clusters larger than floor(log10 n) + `bdis_t1`.."""
    bdis_t2: int
    """..and smaller than floor(log10 n) * `bdis_t2`."""
    beta: float
    """R-CE: the power of the model's belief that is a row's weight."""
    block_size: int
    """Rows of a block: the method runs within random blocks of equal label shares, and what they keep is joined. 0:
    one block, the default of BDIS.
    """
    ce_data: CeData
    cnn_seed: int | None
    """CNN starts from a random row of each label, drawn with this seed, instead of the first."""
    distance: Distance
    drop3_enn_associates: bool
    """Whether rows that DROP3's first step removed stay associates."""
    drop_rate: float
    """T-CE: share of a batch left out once the ramp is over."""
    enemy_ties: EnemyTies
    filter: ClFilter
    folds: int
    """Parts of the cross-fitting. 2 to 20."""
    hvdm_smoothing: float
    """Rows of the prior that smooth the label rate of a value. 0 is the textbook's; 10 suits rare values."""
    item_column: str
    """The field that names the item, with `ce_data = sampled`."""
    judges: int
    """Models that each remedy is tried with: where one stops early is chance, and worth more than remedies differ by.
    2 to 20.
    """
    k: int
    """Neighbours that vote. 1 to 100."""
    knn: Knn
    """Does not change what is kept."""
    lss_include_self: bool
    """Whether a row belongs to its own local set."""
    max_distances: int
    """Most distances a run may compute; a larger one is refused."""
    num_neg: int
    """Rows of label 0 drawn for each of label 1, with `ce_data = sampled`."""
    per_batch: bool
    """Whether `random_drop` and `loss_drop` drop the same share of every batch."""
    protect_negatives: bool
    """T-CE: leave out rows of label 1 only, also where there are fewer of them than the share asks for."""
    ramp_epochs: float
    """T-CE: passes over which the share rises from 0."""
    ramp_exponent: float
    """T-CE: the ramp rises to `drop_rate` to this power."""
    smoothing: float
    """How far `label_smoothing` moves every label towards one half: 0.1 makes 0 and 1 into 0.05 and 0.95. Above 0,
    below 1.
    """
    teacher: BackboneKind
    """The backbone that judges rows it has not seen, and its weight decay. A model that barely trusts a single row is
    the better judge.
    """
    teacher_weight_decay: float
    tries: int
    """Draws of `random_drop`. With several, a model is trained on each and the best by `select_by` is kept, as
    AutoDenoise keeps the best of its epochs: the fair control of its best of T. 1 to 10,000.
    """
    trim_rate: float
    """Share of the rows left out. Above 0, below 1."""
    user_column: str
    """The field that names the user, with `ce_data = sampled`."""


class Calibration(TypedDict):
    """How far predictions are from probabilities."""

    expected_error: float
    """Expected calibration error: over ten bins of equal width, |mean prediction - label rate|, weighted by rows."""
    label_rate: float
    mean_prediction: float


class Capabilities(TypedDict):
    """What this server can do and how much of it."""

    backbones: list[str]
    """Backbones that the workers can train; all, where no worker runs."""
    devices: list[str]
    """Devices that a job may name: `cpu`, and the GPUs of the workers."""
    engines: list[str]
    """Engines that the workers have: `fused`, and `tch` where `autodenoise-torch` is installed. None where no worker
    runs.
    """
    formats: list[str]
    max_rows: int
    max_upload_bytes: int
    methods: list[str]
    presets: list[str]
    signing_key: str
    """Public key that certificates of this server are signed with: `ed25519:` and hexadecimal."""
    tenant_limits: Quota
    """What a tenant may have, unless the operator gave it other limits."""
    uploads: UploadLimits
    version: str


class CellView(TypedDict):
    """A cell of an uploaded table."""

    column: str
    value: str
    """The text that stands there."""


class Certification(TypedDict):
    """The verdict and all it rests on."""

    answer: NotRequired[str]
    """What to do, in a line; empty in reports of earlier versions."""
    arms: list[CertifiedArm]
    """`untuned`, `full`, `denoised` and `random`; the first two alone where the method changed nothing. Models that
    were not trained by the program have no arm `untuned`, because tuning is their owner's.
    """
    asked: Certify
    backbone: BackboneKind
    """Trained on the rows kept; where `judged_by` says whose models were, the one that the rows were chosen with."""
    clusters: NotRequired[Clusters | None]
    """What the test rows were clustered by; absent where they were taken to be independent."""
    delta_logloss: float
    """Mean increase of the log-loss over all rows, of predictions as they are, and its 95 % interval over seeds."""
    delta_logloss_ci95: NotRequired[list[float] | None]
    gains: list[Gain]
    """What denoising gains: over all rows, and over random rows treated alike. All models are tuned."""
    judged: NotRequired[JudgedRows | None]
    """The test rows whose labels the verdict holds on; absent in reports of earlier versions."""
    judged_by: NotRequired[str | None]
    """Where the models were not trained by the program: the command that trained them, as it was typed, or what
    whoever handed in their predictions calls them.
    """
    logloss: NotRequired[LoglossRise | None]
    """The increase that is judged. Absent where the method changed nothing, and in reports of earlier versions."""
    readings: NotRequired[list[GainReading]]
    """Where parts of the test rows were read too: what denoising gains on all of them and on each part. The verdict
    is about those that are trusted where a rule trusts some, else about all.
    """
    reasons: list[str]
    """The verdict in words, a reason each."""
    regularisation: NotRequired[Gain | None]
    """What regularisation gains on all rows: tuned models over those with the method's options as they are. Absent in
    reports of earlier versions.
    """
    test_read: NotRequired[TestRead | None]
    """Which verdict on its table's test rows it is, and what it may err by; absent in reports of earlier versions,
    which judged each at alpha.
    """
    verdict: Verdict


class CertifiedArm(TypedDict):
    """A CertifiedArm."""

    arm: Arm
    patience: NotRequired[int | None]
    rows: int
    """Of the first seed, where each has its own."""
    runs: list[CertifiedRun]
    """One a seed."""
    weight_decay: NotRequired[float | None]
    """What its models were trained with; absent in reports of earlier versions."""


class CertifiedRun(TypedDict):
    """A model trained on an arm's rows, and tested once."""

    best_pass: NotRequired[int | None]
    calibration: Calibration
    logloss_recalibrated: NotRequired[float | None]
    """Of predictions recalibrated on validation rows; absent without predictions of those, and in reports of earlier
    versions.
    """
    parts: NotRequired[list[TestedPart]]
    """On parts of them, where some are read beside."""
    passes: NotRequired[int | None]
    """Passes trained, and the one whose weights were used; counted from 1. Absent where the model is not the
    program's.
    """
    seconds: NotRequired[float | None]
    """Of the training; absent where it was done elsewhere."""
    seed: int
    test: Metrics
    """On all test rows, with the labels as given."""
    valid: NotRequired[Metrics | None]
    """Absent where nobody said what the model predicts of the validation rows."""


class Certify(TypedDict, total=False):
    """Asks for a verdict: tuned models of the rows kept, of all rows and of random rows treated alike, and models of
    all rows that are not tuned, each trained with several seeds.
    """

    alpha: float
    """The most that all verdicts on the table's test rows may err by together, one-sided: the first has .641 of it,
    later ones less (see `TestRead`). Above 0, at most 0.5.
    """
    cluster: str | None
    """Field whose values the test rows are clustered by, users for example: rows of one value are not independent.
    Absent: of the fields that are categories and of which the test rows have at least 30 values, the one with the
    most test rows a value; rows are taken to be independent where there is none.
    """
    max_delta_logloss: float
    """Log-loss may rise by less than this for certain, once both models are recalibrated on validation rows. The
    default is about what the log-loss of one seed differs from another's by: a smaller margin would refuse for
    chance.
    """
    min_delta_auc: float
    """The gain in AUC must be above this."""
    reselect: bool
    """Whether the method chooses its rows anew with each seed, so that the choice is part of what varies; else the
    choice with the job's seed is judged alone, whatever another seed would have chosen.
    """
    seeds: int
    """Seeds of the evaluation: the job's and those after it. 2 to 20; fewer than log2(1 / own_alpha) cannot certify."""
    trusted: RowRule | None
    """Test rows whose labels are known to be right, those of a panel for example: they alone count. A rule over a
    column of the table, which need be no field. Absent: all do, with the labels as given.
    """


class CheckpointList(TypedDict):
    """A CheckpointList."""

    data: list[CheckpointView]


class CheckpointView(TypedDict):
    """A state of a job that it could go on from."""

    attempt: int
    bytes: int
    created_at: str
    epoch: int
    phase: Phase
    seq: int
    """`seq` of its `checkpoint.saved` event."""
    sha256: str
    """sha256, hexadecimal."""


class Clusters(TypedDict):
    """What test rows that are not independent have in common."""

    field: str
    named: bool
    """Whether the job named the field."""
    rows_per_value: float
    """Test rows of a value, on average."""
    values: int
    """Values that the test rows have; a value outside of the vocabulary is none, and its rows are clusters of their
    own.
    """


class CompareSpec(TypedDict):
    """A method to compare with. What it does not say is as in the job's own method, so that all are trained alike."""

    backbone: NotRequired[BackboneKind | None]
    name: MethodName
    options: NotRequired[dict[str, OptionValue]]
    preset: NotRequired[Preset | None]


class CorruptionFound(TypedDict):
    """Corruption in one place of the table, and what came of doing something about it."""

    evidence: float
    """How sure it is, in nats: a log-likelihood ratio against the best honest explanation."""
    examples: list[ExampleValue]
    """Those of most rows: at most 10."""
    fields: list[str]
    """Whose values it is about: one field, or two whose values form cells. Of added rows the second is the field that
    told.
    """
    gain: NotRequired[float | None]
    """AUC with the remedy less AUC without, on the validation rows that are judged on, and its standard error. Absent
    where it was not tried.
    """
    gain_error: NotRequired[float | None]
    kind: Corruption
    remedy: RemedyKind
    rows: int
    """Training rows that the remedy is about, and their share."""
    share: float
    strength: float
    """How far it goes. Values: the slope of their labels on what is expected, where honest ones have 1. Cells: the
    share of labels turned. Added rows: the share of rows of that label that were added. Windows: the share of
    label 1. Repeats: how often equal rows have equal labels. Row noise: its rate.
    """
    taken: bool
    """Whether it was done."""
    values: int
    """How many values or cells."""
    window: NotRequired[list[int] | None]
    """First and last moment of a window, in the dataset's unit of time."""


class DatasetFromUpload(TypedDict, total=False):
    """A complete upload, or several that are one table, and how the table is to be read: the whole spec, or its
    common parts one by one, which win over it.
    """

    category: list[str] | None
    """Fields whose every value is a category."""
    columns: list[str] | None
    """Names of the columns of a text table without a line of them."""
    comment: str | None
    """What lines of a text table start with that are no rows, for example `#`."""
    encoding: str | None
    """Encoding of a text table, for example `windows-1252`. Absent: UTF-8, or UTF-16 where the first bytes say so."""
    escape: str | None
    """The character that makes a quote or a separator behind it part of the cell."""
    exclude: list[str] | None
    """Columns they do not see."""
    features: list[str] | None
    """Columns the models see."""
    format: str | None
    """Format of the file: `csv`, `parquet` or `jsonl`. Absent: from its name and first bytes."""
    label: str | None
    """A column of 0 and 1 (`click`), or a rule (`rating > 3`)."""
    max_bad_rows: int | None
    """With `skip`: the most rows that are left out. Absent: one in a hundred, or ten."""
    member: str | None
    """The file in a zip archive that is the table. Absent: the only one."""
    missing: list[str] | None
    """Words that mean that a cell has no value."""
    multi: list[str] | None
    """Fields of several values to a cell: `COLUMN=SEPARATOR` for one category, `COLUMN=SEPARATOR:N` for up to N
    values, `COLUMN=SEPARATOR:last:N` for the last N.
    """
    name: str | None
    """Your own name for it, at most 200 bytes."""
    numeric: list[str] | None
    """Fields that are numbers: `COLUMN`, `COLUMN=log` or `COLUMN=quantile:N`."""
    on_bad_row: str | None
    """What becomes of a row that cannot be read: `error` (default) refuses the table, `skip` leaves the row out."""
    quote: str | None
    """What its cells are quoted with: one character, or `none`."""
    separator: str | None
    r"""Separator of a text table; `\t` is a tab, `\x01` a character by its number."""
    sha256: str | None
    """sha256 of the whole file, hexadecimal."""
    skip_lines: int | None
    """Lines at the start of a text table that are neither names nor rows."""
    spec: DatasetSpec | None
    split: list[float] | None
    """Shares of train, valid and test."""
    split_column: str | None
    """Column that holds train, valid or test."""
    split_group: str | None
    """Column of which no value has rows in two splits, for example of users."""
    split_seed: int | None
    """Seed of a random split."""
    split_stratified: bool | None
    """Whether the rows of each label are split by the same shares."""
    split_time: str | None
    """Column of times: the earliest rows train, the latest test."""
    strict: bool | None
    """Whether a field that should perhaps be none, as an id of rows, is an error."""
    time: str | None
    """Column that says when a row happened: numbers, or ISO 8601 dates or times."""
    upload_id: UploadId | None
    """The upload that is the table."""
    uploads: list[PartUpload] | None
    """In place of these two: the uploads that are one table, in the order of its rows, which keep one numbering; at
    most 256. All have one format and the same columns.
    """
    vocabulary: str | None
    """Rows the vocabulary is taken from: `train` (default) or `all`."""


class DatasetPart(TypedDict):
    """One of the files of a dataset's table."""

    bytes: int
    name: str
    """What messages and results call it."""
    sha256: str
    """sha256, hexadecimal."""
    split: NotRequired[Split | None]
    """The split of all its rows, where the parts say the split."""


class DatasetSpec(TypedDict):
    """How a table is to be read. Every member has a default except the label."""

    category: NotRequired[list[str]]
    """Fields whose every value is a category of its own, also where all are numbers. Like `numeric` and `multi` it
    says how single columns are treated without listing the others in `fields`; what neither says is decided by all
    values.
    """
    columns: NotRequired[list[str] | None]
    """CSV only: names of the columns, for a file without a header line."""
    comment: NotRequired[str | None]
    """CSV and JSON lines: what lines start with that are no rows, for example `#`."""
    compression: NotRequired[Compression | None]
    """Absent: from the first bytes."""
    encoding: NotRequired[TextEncoding | None]
    """CSV and JSON lines: how the text is encoded. Absent: UTF-8, or UTF-16 where its mark or its zeros say so."""
    escape: NotRequired[str | None]
    r"""CSV with a separator of one character only: the character that makes a quote or a separator behind it part of
    the cell, for example `\`. Absent: none; a quote within quotes is doubled.
    """
    exclude: NotRequired[list[str]]
    """Columns that are not fields. Only where `fields` is absent."""
    fields: NotRequired[list[FieldSpec] | None]
    """The fields of the models. Absent: every column but the label's, the split's, the time's and those excluded."""
    format: NotRequired[FileFormat | None]
    """Absent: from the upload's content type, the file's name, or its first bytes."""
    label: LabelRule
    """The label: a column of 0 and 1 (`click`), or a rule over a column (`rating > 3`, `behavior = buy`, `behavior in
    (cart, buy)`).
    """
    max_bad_rows: NotRequired[int | None]
    """With `on_bad_row`: `skip`: the table is refused where more rows than this are bad. Absent: one in a hundred, or
    ten.
    """
    member: NotRequired[str | None]
    """Zip only: the name of the file in the archive that is the table. Absent: the only one."""
    missing: NotRequired[list[str]]
    r"""Words that mean that a cell has no value, beside the empty cell. In a column of numbers NaN, NA, N/A, None,
    NULL, `\N` and `-` mean it anyway.
    """
    multi: NotRequired[dict[str, MultiSpec]]
    """Fields with several values in a cell, by column."""
    numeric: NotRequired[dict[str, NumericSpec]]
    """Fields that are numbers, by column, and how they become categories."""
    on_bad_row: NotRequired[OnBadRow]
    """What becomes of a row that cannot be read: one cell too many, a label that is none, a word among numbers."""
    quote: NotRequired[Quote | None]
    """CSV with a separator of one character only: what cells are quoted with. Absent: `"`, unless the lines say that
    nothing is quoted.
    """
    separator: NotRequired[str | None]
    r"""CSV only: what stands between two values, for example `,`, `\t`, `::`. Absent: the one of `,` tab `;` `|` that
    the header has most of.
    """
    skip_lines: NotRequired[int]
    """CSV and JSON lines: lines at the start of the file that are neither names nor rows."""
    split: NotRequired[SplitSpec]
    """How rows are divided into train, valid and test."""
    strict: NotRequired[bool]
    """Whether a table is refused with a field that should perhaps be none: `warnings` of the profile become errors."""
    time: NotRequired[str | None]
    """The column that says when a row happened: numbers, or ISO 8601 dates or times. Methods may look for spans of
    time whose labels are wrong; models do not see it, unless `fields` names it. Absent: the column of a split by
    time, else none.
    """
    vocabulary: NotRequired[Vocabulary]
    """Which rows the vocabulary is taken from."""


class DatasetView(TypedDict):
    """A DatasetView."""

    bytes: int
    """Bytes of the upload, or of all parts."""
    created_at: str
    error_total: int
    errors: NotRequired[list[ProblemItem]]
    """Why it is `invalid`: up to a cap; `error_total` counts all."""
    feature_map: NotRequired[FeatureMap | None]
    """Present once `ready`."""
    file_name: NotRequired[str | None]
    """The name of the uploaded file, where the client gave it one."""
    id: DatasetId
    name: NotRequired[str | None]
    """The client's name for it."""
    parts: NotRequired[list[DatasetPart]]
    """The files of a table in parts, in the order of its rows. `profile.parts` says which rows each has."""
    profile: NotRequired[Profile | None]
    """Present once `ready`."""
    ready_at: NotRequired[str | None]
    sha256: str
    """sha256 of the upload, hexadecimal; of a table in parts, that of the text `<sha256> <name>`, a line for each
    part, as in a certificate.
    """
    spec: DatasetSpec
    status: DatasetStatus


class DeliveryView(TypedDict):
    """One attempt to deliver a message."""

    at: str
    attempt: int
    """Counts from 1 for each message."""
    duration_ms: int
    error: NotRequired[str | None]
    """Why it did not arrive. What the receiver says is never kept."""
    job_id: NotRequired[JobId | None]
    """Absent in a test."""
    message_id: MessageId
    """The `webhook-id` it was sent with."""
    next_at: NotRequired[str | None]
    """When the message is tried again."""
    outcome: str
    """`delivered`, `retrying`, `failed` (that was the last attempt) or `gone` (the receiver wants no more)."""
    status: NotRequired[int | None]
    """Status of the receiver's answer, where one came."""
    type: str


_EpochRowWords = TypedDict("_EpochRowWords", {"pass": int})


class EpochRow(_EpochRowWords):
    """What one pass over the training rows came to. (contender, arm, seed, phase, epoch, pass) names it in its job."""

    arm: Arm
    contender: NotRequired[int]
    """Number of the method in the job: 0 its own, then those of `spec.compare`."""
    epoch: int
    """Warm-up row, outer epoch of search and validation, part of a cross-fitting, or backbone of the evaluation (1:
    the method's own, then those of `spec.transfer`); counted from 1.
    """
    kept: NotRequired[float | None]
    """Search: share of rows selected for the model's updates. Validation: share of training rows kept."""
    phase: Phase
    reward_mean: NotRequired[float | None]
    """Search: mean and standard deviation of the rewards as given, before any centring."""
    reward_std: NotRequired[float | None]
    seconds: float
    seed: int
    skipped_updates: NotRequired[int | None]
    """Search: model updates left out because too few rows were selected."""
    train: NotRequired[Metrics | None]
    """Over the rows trained on, from the predictions made on the way (train mode, before each update)."""
    valid: NotRequired[Metrics | None]


class Estimate(TypedDict):
    """A number that is not known yet."""

    basis: str
    """What it rests on."""
    value: float


class EventPage(TypedDict):
    """Events after a sequence number, oldest first."""

    data: list[EventView]
    has_more: bool
    is_terminal: bool
    """Whether the job's last event is in this or an earlier page."""


class EventView(TypedDict):
    """A EventView."""

    at: str
    data: dict[str, Any]
    seq: int
    """Counts from 1 without gaps in its job."""
    type: EventType | str


class ExampleValue(TypedDict):
    """A value, or a cell, that is corrupt."""

    ids: list[int]
    """Global ids of the fields' values."""
    names: NotRequired[list[str]]
    """Their names in the table."""
    rows: int


class FeatureMap(TypedDict):
    """What the models know of a dataset: the only interface between reading a table and training on it."""

    fields: list[Field]
    """The fields in the order of the columns of `ids`; F of them."""
    label: LabelRule
    """The label rule, as text."""
    rows: SplitCounts
    """Rows of each split."""
    time: NotRequired[TimeColumn | None]
    """What the times of rows are, where a column says them."""
    total_cardinality: int
    """D_tot: rows of the one embedding table; every id is below it."""
    vocabulary: Vocabulary


class Field(TypedDict):
    """One field of the models."""

    cardinality: int
    """Number of ids of this field, the unknown and padding ids included."""
    column: str
    kind: FieldKind
    name: str
    """The column's name, with `[k]` behind it for place k of a split multi-valued column."""
    offset: int
    """The field's ids are `offset .. offset + cardinality`. Places of one split column share their range."""
    padding: NotRequired[int | None]
    """The id (global) of an unused place of a split multi-valued column."""
    unknown: NotRequired[int | None]
    """The id (global) of values not in the vocabulary, where there is one."""


class FieldError(TypedDict):
    """One wrong part of a JSON body or of the request's parameters."""

    pointer: str
    """JSON pointer into the body (RFC 6901), for example `/method/options/select_ratio`."""
    rule: str
    """What was expected."""


class FieldKindCategory(TypedDict):
    """A FieldKindCategory."""

    type: Literal["category"]


class FieldKindLog(TypedDict):
    """A FieldKindLog."""

    type: Literal["log"]


class FieldKindMulti(TypedDict):
    """Place `place` of a cell of several values."""

    place: int
    type: Literal["multi"]


class FieldKindQuantile(TypedDict):
    """Bucket b holds values v with `bounds[b-1] < v <= bounds[b]`."""

    bounds: list[float]
    type: Literal["quantile"]


class FieldReading(TypedDict):
    """A column that is a field, as it was read."""

    auc: NotRequired[float | None]
    """AUC of the field alone: of the share of label 1 that its values have among training rows, on validation rows.
    From a sample of a large table; absent for several values in a cell, and where there are fewer than ten rows of
    a label.
    """
    column: str
    drift: NotRequired[float | None]
    """Share of the test rows that would need another value for them to have its values as often as training rows do,
    less what chance explains. From a sample of a large table; absent where there are fewer than ten rows of a
    split.
    """
    examples: NotRequired[list[str]]
    """The first different values in the table. Empty for numbers whose values were not kept."""
    missing: int
    """Rows without a value."""
    read_as: ReadAs
    reason: NotRequired[str | None]
    """Why, where the column's values decided and not the spec."""
    values: NotRequired[int | None]
    """Different values in all rows. Absent for numbers whose values were not kept."""


class FieldSpecColumn(TypedDict):
    """A FieldSpecColumn."""

    column: str
    multi: NotRequired[MultiSpec | None]
    """Several values in one cell."""
    numeric: NotRequired[NumericSpec | None]
    """A number, put into buckets."""


class FieldWarning(TypedDict):
    """A column that should perhaps be no field."""

    column: str
    message: str
    """What was seen, and what to do."""
    suspicion: Suspicion


class Findings(TypedDict):
    """What the method `robust` made of the table."""

    auc: NotRequired[float | None]
    """Mean AUC on those rows of models trained on all rows as they are labelled."""
    corruptions: NotRequired[list[CorruptionFound]]
    """The strongest evidence first; labels that are wrong here and there come last."""
    judged_rows: NotRequired[int]
    """Validation rows outside of all that was found: what was tried is judged on them."""
    noise_rate: float
    """The most that the rate at which labels are wrong outside of all that was found may be. Judges who are surer
    than they should be, as on small tables, look the same as wrong labels.
    """
    weight_decay: NotRequired[float | None]
    """The weight decay that models were tried with. Absent where nothing was tried."""


class Found(TypedDict):
    """How well a method told corrupted rows, which are known, from the others."""

    auroc: NotRequired[float | None]
    """Chance that a corrupted row has a lower score than another row; by the rows kept where there are no scores. 0.5
    is chance. Absent where all rows are of one kind.
    """
    auroc_standard_error: NotRequired[float | None]
    """Standard error of the AUROC (Hanley and McNeil 1982)."""
    corrupted: int
    """Corrupted training rows."""
    dropped: int
    precision: NotRequired[float | None]
    """Of the dropped rows, the share that was corrupted; of the corrupted rows, the share that was dropped."""
    recall: NotRequired[float | None]


class Gain(TypedDict):
    """AUC of an arm less that of another, seed by seed."""

    ci95: list[float]
    """The 95 % interval of the mean over seeds, by Student's t."""
    deltas: list[float]
    """One a seed."""
    mean: float
    over: Arm
    p_paired_t: float
    """Two-sided p of t-tests over seeds, paired and not (Welch), for comparison with what others publish."""
    p_rows: float
    """The same over test rows: DeLong's paired test of the mean over seeds, with rows in clusters (Obuchowski) where
    there is a field to cluster them by. A gain is certain only if both are.
    """
    p_rows_unclustered: NotRequired[float | None]
    """Both with each row on its own; absent in reports of earlier versions."""
    p_seeds: float
    """One-sided p that the gain is above `min_delta_auc`, over seeds: the exact paired sign-flip test."""
    p_welch_t: float
    standard_error_rows: float
    """Standard error over test rows."""
    standard_error_rows_unclustered: NotRequired[float | None]


class GainReading(TypedDict):
    """What denoising gains on some of the test rows."""

    gains: list[ReadGain]
    """Over all rows, and over random rows treated alike. Empty where the rows have too few of a label."""
    on: TestRows
    rows: KeptShare
    """Of all test rows."""


class Guard(TypedDict):
    """What the drop does to the data as a whole."""

    label_rate_after: float
    label_rate_before: float
    """Share of label 1 among the training rows before and after."""
    slices: list[Slice]
    """Values of fields that lose far more or fewer of their rows than all values do, the farthest first: at most 20."""


class Health(TypedDict):
    """A Health."""

    reasons: NotRequired[list[str]]
    """What is not well, where something is not."""
    status: str


class JobOptions(TypedDict, total=False):
    """What a job may be asked for beside its dataset: all of it may be left out."""

    certify: Certify | None
    """Prove on the test rows that the rows kept are worth more than all; `denoised` is handed out once that is
    certified.
    """
    compare: list[CompareSpec]
    """Other methods, on the same split, trained alike and judged alike."""
    deadline_seconds: int | None
    """The job is stopped and failed when it has run this long, waiting not counted."""
    denoised: DenoisedForm
    """Whether `denoised` is one file or, of a dataset of several files, each of them again."""
    device: Device
    engine: Engine
    labels: dict[str, str]
    """The client's own words for finding the job again, for example `{"commit": "3fe1"}`; at most 32."""
    method: MethodSpec
    """The method whose rows are the job's result."""
    priority: int
    """Jobs of a higher priority are run first, those of the same in the order they came. -100 to 100."""
    requires: dict[str, str]
    """Labels a worker must have to run the job, for example `{"pool": "nightly"}`; at most 32."""
    seed: int
    seeds: int
    """Everything is done with this many seeds: `seed`, `seed + 1`, ..; the job's result is that of the first. 1 to
    100.
    """
    self_check: SelfCheck | None
    """Plant noise and see whether the method finds it."""
    sweep: Sweep | None
    """The method again with each of these values of one of its options."""
    transfer: list[BackboneKind]
    """Other backbones, each trained on what each method chose."""
    tuning: Tuning
    """How the models that are compared are tuned."""
    webhook_ids: list[WebhookId]
    """Webhooks that are told what becomes of the job; at most 8."""


class JobSpec(TypedDict):
    """A job as a client asks for it. Only `dataset_id` is required."""

    certify: NotRequired[Certify | None]
    """Prove on the test rows that the rows kept are worth more than all; `denoised` is handed out once that is
    certified.
    """
    compare: NotRequired[list[CompareSpec]]
    """Other methods, on the same split, trained alike and judged alike."""
    dataset_id: DatasetId
    deadline_seconds: NotRequired[int | None]
    """The job is stopped and failed when it has run this long, waiting not counted."""
    denoised: NotRequired[DenoisedForm]
    """Whether `denoised` is one file or, of a dataset of several files, each of them again."""
    device: NotRequired[Device]
    engine: NotRequired[Engine]
    labels: NotRequired[dict[str, str]]
    """The client's own words for finding the job again, for example `{"commit": "3fe1"}`; at most 32."""
    method: NotRequired[MethodSpec]
    """The method whose rows are the job's result."""
    priority: NotRequired[int]
    """Jobs of a higher priority are run first, those of the same in the order they came. -100 to 100."""
    requires: NotRequired[dict[str, str]]
    """Labels a worker must have to run the job, for example `{"pool": "nightly"}`; at most 32."""
    seed: NotRequired[int]
    seeds: NotRequired[int]
    """Everything is done with this many seeds: `seed`, `seed + 1`, ..; the job's result is that of the first. 1 to
    100.
    """
    self_check: NotRequired[SelfCheck | None]
    """Plant noise and see whether the method finds it."""
    sweep: NotRequired[Sweep | None]
    """The method again with each of these values of one of its options."""
    transfer: NotRequired[list[BackboneKind]]
    """Other backbones, each trained on what each method chose."""
    tuning: NotRequired[Tuning]
    """How the models that are compared are tuned."""
    webhook_ids: NotRequired[list[WebhookId]]
    """Webhooks that are told what becomes of the job; at most 8."""


class JobSummary(TypedDict):
    """A job in a list. `GET /v1/jobs/{id}` has the rest of it, its spec too."""

    attempt: int
    """How many times a worker has started it."""
    backbone: BackboneKind
    created_at: str
    dataset_id: DatasetId
    dataset_name: NotRequired[str | None]
    """The dataset's name, else that of the uploaded file."""
    epoch: NotRequired[int | None]
    error: NotRequired[str | None]
    """Why it failed."""
    error_kind: NotRequired[ErrorKind | None]
    finished_at: NotRequired[str | None]
    id: JobId
    is_terminal: bool
    """Whether `status` will never change again."""
    labels: NotRequired[dict[str, str]]
    """The client's own words for finding it again."""
    method: MethodName
    """The job's own method."""
    phase: NotRequired[Phase | None]
    """What a running job is doing, and in which outer epoch."""
    priority: int
    """Jobs of a higher priority are run first."""
    progress: NotRequired[Progress | None]
    reproduces: NotRequired[JobId | None]
    """The job this one runs again."""
    seed: int
    spec_sha256: str
    """sha256 of the resolved spec, hexadecimal."""
    started_at: NotRequired[str | None]
    status: JobState
    verdict: NotRequired[Verdict | None]
    """What the test rows say of the result, once there is one."""
    waiting_for: NotRequired[str | None]
    """What a queued job waits for."""


class JobView(TypedDict):
    """A JobView."""

    attempt: int
    """How many times a worker has started it."""
    created_at: str
    dataset_id: DatasetId
    dataset_name: NotRequired[str | None]
    """The dataset's name, else that of the uploaded file."""
    epoch: NotRequired[int | None]
    error: NotRequired[str | None]
    """Why it failed."""
    error_kind: NotRequired[ErrorKind | None]
    finished_at: NotRequired[str | None]
    id: JobId
    is_terminal: bool
    """Whether `status` will never change again."""
    last_event_seq: NotRequired[int]
    """Number of its last event: what follows in the stream comes after it."""
    parts: NotRequired[list[PartView]]
    """While it runs: its trainings that do not wait for each other, which any worker may do."""
    phase: NotRequired[Phase | None]
    """What a running job is doing, and in which outer epoch."""
    priority: NotRequired[int]
    """Jobs of a higher priority are run first."""
    progress: NotRequired[Progress | None]
    reproduces: NotRequired[JobId | None]
    """The job this one runs again."""
    spec: ResolvedSpec
    """The spec with nothing left to a default."""
    spec_sha256: str
    """sha256 of the resolved spec, hexadecimal."""
    started_at: NotRequired[str | None]
    status: JobState
    test_read: NotRequired[TestRead | None]
    """Which verdict on its table's test rows it is, and what it may err by, once a worker has claimed it."""
    verdict: NotRequired[Verdict | None]
    """What the test rows say of the result, once there is one."""
    waiting_for: NotRequired[str | None]
    """What a queued job waits for."""


class JudgedRows(TypedDict):
    """Test rows that a verdict holds on."""

    rows: KeptShare
    """Of all test rows."""
    trusted: NotRequired[RowRule | None]
    """The rule that trusts them; absent: the labels count as they are given."""


class JudgementSpec(TypedDict):
    """Asks for a verdict by models that you train, wherever that is."""

    certify: NotRequired[Certify | None]
    """What the verdict is to show. Absent: what the job was asked to show, with as many seeds as this verdict needs."""
    model: str
    """Whose models they are, as the report and the certificate name them: 1 to 200 characters."""


class JudgementSummary(TypedDict):
    """A judgement in a list."""

    created_at: str
    ended_at: NotRequired[str | None]
    id: JudgementId
    job_id: JobId
    model: str
    status: JudgementState
    verdict: NotRequired[Verdict | None]


class JudgementView(TypedDict):
    """A verdict by models that somebody else trains."""

    certification: NotRequired[Certification | None]
    """What the verdict rests on. Nothing of it is shown before it is `judged`."""
    certify: Certify
    created_at: str
    ended_at: NotRequired[str | None]
    error: NotRequired[str | None]
    """Why it `failed`."""
    expires_at: NotRequired[str | None]
    """When it is deleted, unless predictions come in before. Absent where none are awaited."""
    files: list[ArtifactView]
    """What is handed out: arrays from `open` on, report.json, report.html and certificate once it is `judged`."""
    id: JudgementId
    job_id: JobId
    model: str
    seeds_needed: NotRequired[int | None]
    """The fewest seeds with which the verdict could be `certified` if it were asked for now. Absent once it was."""
    status: JudgementState
    test_read: NotRequired[TestRead | None]
    """Which verdict on its table's test rows it is; counted once the verdict is asked for."""
    test_rows: NotRequired[int | None]
    """Rows to predict: those of the file `test`, and if you like of `valid`, in their order."""
    trainings: list[TrainingView]
    """The models to train; none before `open`, and none where the method changed nothing."""
    valid_rows: NotRequired[int | None]
    verdict: NotRequired[Verdict | None]


class KeptShare(TypedDict):
    """A KeptShare."""

    of: int
    rows: int


class LabelColumns(TypedDict):
    """The columns of a denoised table that say what its rows are trained on."""

    target: str
    """What the row's label counts as, from 0 to 1: `autodenoise_target`, with a number behind it where the upload has
    such a column.
    """
    weight: str
    """What the row weighs, 1 where nothing is said of it: `autodenoise_weight`, with the same number."""


class LoglossRise(TypedDict):
    """Increase of the log-loss over all rows."""

    lower: float
    """It is above `lower` and below `upper`, each but for a chance of what the verdict may err by. What is allowed
    must not be below `upper`.
    """
    mean: float
    """Over seeds."""
    recalibrated: NotRequired[bool]
    """Whether predictions were recalibrated on validation rows (Platt) before; else they count as they are."""
    upper: float


class MethodSpec(TypedDict, total=False):
    """How the rows are chosen."""

    backbone: BackboneKind
    name: MethodName
    """`robust` if neither this nor a preset is named; `autodenoise` if only the preset `paper` or `released_code` is.
    """
    options: dict[str, OptionValue]
    """Options that differ from the preset's."""
    preset: Preset


class Metrics(TypedDict):
    """AUC and log-loss over a set of rows (spec `metrics.md`)."""

    auc: NotRequired[float | None]
    """Absent where all rows have the same label."""
    clipped: NotRequired[int]
    """Rows whose prediction was clipped before its logarithm was taken."""
    logloss: float


class MetricsView(TypedDict):
    """A MetricsView."""

    data: list[EpochRow]
    has_more: bool
    next: NotRequired[int | None]
    """Give it as `after` for the next page."""


class MultiSpec(TypedDict):
    """How a cell of several values becomes one or more ids."""

    longer: NotRequired[LongCell]
    """`split` only: what becomes of a cell with more values."""
    max_values: NotRequired[int]
    """`split` only: the largest number of values in a cell."""
    mode: NotRequired[MultiMode]
    separator: str
    """What stands between two values, for example `|`. Brackets around the cell are no part of its values, nor are
    blanks and quotes around each of them where there are brackets.
    """


class NumericSpecQuantile(TypedDict):
    """Buckets of about equal numbers of training rows."""

    quantile: NumericSpecQuantileQuantile
    """Buckets of about equal numbers of training rows."""


class NumericSpecQuantileQuantile(TypedDict):
    """Buckets of about equal numbers of training rows."""

    buckets: int
    """How many buckets, 2 to 1,000."""


class Options(TypedDict, total=False):
    """Every option of the method, resolved. In a spec's `options` each is optional and overrides the preset. What is
    absent in a stored spec, because its version had no such option, has the value of preset `paper`.
    """

    action: Action
    attention_dim: int
    """Width of the attention of `afm` and `autoint`."""
    attention_layers: int
    """Attention layers of `autoint`."""
    auc_on: AucOn
    batch_size: int
    """M: rows of a mini-batch, 2 to 1,048,576."""
    cin_dims: list[int]
    """The interaction layers of `xdeepfm`."""
    cin_split_half: bool
    """Whether one half of each of them feeds the next and the other half the output; else all of it does both."""
    cross_layers: int
    """Cross layers of `dcn`, `dcnv2` and `gdcn`."""
    deselected_reward: DeselectedReward
    dropout: float
    """Dropout of the model's hidden layers, and of what `afm` pools."""
    embed_dim: int
    """Width of an embedding, in the model and in the policy."""
    epochs: int
    """T: outer epochs of search and validation. 1 to 10,000."""
    epsilon: float
    """Flip probability of `eps_greedy`."""
    gate_dims: list[int]
    """Hidden layers of the gates before the towers of `finalmlp`."""
    heads: int
    """Heads of the attention of `autoint`, and of the product of the towers of `finalmlp`."""
    hofm_order: int
    """Highest order of the interactions of `hofm`, 2 to 8."""
    interaction_dropout: float
    """Dropout before the tower: of the products of `nfm` and `fnfm`, and of the attention of `afm` and `autoint`."""
    item_field: str | None
    """The field that is the item to `ncf`, by name. Absent: the first field that is not the user's."""
    lmat_deselected: LmatDeselected
    lmat_loss: LmatLoss
    lnn_dim: int
    """Logarithmic neurons of `afn`."""
    logloss_eps: float
    """Probabilities are clipped to [eps, 1 - eps] before the logarithm."""
    lr: float
    """Learning rate of the recommender model."""
    mask_block_dim: int
    mask_blocks: int
    """Parallel blocks of `masknet`, and how wide they are."""
    min_selected: int
    """Fewest rows a model update may use; at least 2, because BatchNorm needs two."""
    min_selected_fraction: float
    """A search epoch that selects a smaller share is reported as a warning."""
    mlp_dims: list[int]
    """Hidden layers of the model."""
    on_few_selected: OnFewSelected
    optimizer: Optimizer
    patience: int
    """Passes without a better validation AUC after which a retrain stops."""
    policy_bn: bool
    """BatchNorm in the policy."""
    policy_dropout: float
    policy_label_field: bool
    """Whether the policy sees the label, as one more field."""
    policy_lr_mult: float
    """Learning rate of the policy, as a multiple of `lr`."""
    policy_mlp_dims: list[int]
    """Hidden layers of the policy."""
    policy_reduction: PolicyReduction
    policy_repeats: int
    """Policy updates per batch."""
    policy_wd_mult: float
    """L2 penalty of the policy, as a multiple of `weight_decay`."""
    reinit: Reinit
    restore_best: bool
    retrain_max_epoch: int
    """Most passes of a retrain."""
    retrain_shuffle: bool
    reward: Reward
    reward_forward: RewardForward
    reward_norm: RewardNorm
    second_mlp_dims: list[int]
    """The second tower of `finalmlp`; `mlp_dims` is the first."""
    select: Select
    select_by: SelectBy
    select_ratio: float
    """Share of rows kept, above 0 and at most 1."""
    structure: Structure
    """How the parts of `dcnv2`, `gdcn` and `masknet` stand to each other."""
    update_action: UpdateAction
    user_field: str | None
    """The field that is the user to `ncf`, by name. Absent: the first field that is not `item_field`."""
    warmup_epochs: int
    """C: rows of the loss history, and look-back of the reward. 1 to 64."""
    warmup_passes_per_row: int
    """Passes over the data for each row of the warm-up, each from fresh weights."""
    weight_decay: float
    """Coupled L2 penalty of the recommender model."""


_OverlapViewWords = TypedDict("_OverlapViewWords", {"with": JobId})


class OverlapView(_OverlapViewWords):
    """How far two jobs on the same table drop the same rows."""

    dropped: int
    """Rows that this job drops."""
    dropped_by_both: int
    dropped_by_other: int
    jaccard: NotRequired[float | None]
    """Of the rows that either drops, the share that both drop. Absent where neither drops any."""


class PageAuditEntryView(TypedDict):
    """A page of a list, newest first."""

    data: list[AuditEntryView]
    has_more: bool
    next: NotRequired[str | None]
    """Give it as `after` for the next page."""


class PageDatasetView(TypedDict):
    """A page of a list, newest first."""

    data: list[DatasetView]
    has_more: bool
    next: NotRequired[str | None]
    """Give it as `after` for the next page."""


class PageDeliveryView(TypedDict):
    """A page of a list, newest first."""

    data: list[DeliveryView]
    has_more: bool
    next: NotRequired[str | None]
    """Give it as `after` for the next page."""


class PageJobSummary(TypedDict):
    """A page of a list, newest first."""

    data: list[JobSummary]
    has_more: bool
    next: NotRequired[str | None]
    """Give it as `after` for the next page."""


class PageJudgementSummary(TypedDict):
    """A page of a list, newest first."""

    data: list[JudgementSummary]
    has_more: bool
    next: NotRequired[str | None]
    """Give it as `after` for the next page."""


class PageRowWithCells(TypedDict):
    """A page of a list, newest first."""

    data: list[Any]
    has_more: bool
    next: NotRequired[str | None]
    """Give it as `after` for the next page."""


class PageWebhookView(TypedDict):
    """A page of a list, newest first."""

    data: list[WebhookView]
    has_more: bool
    next: NotRequired[str | None]
    """Give it as `after` for the next page."""


class PageWorkerView(TypedDict):
    """A page of a list, newest first."""

    data: list[WorkerView]
    has_more: bool
    next: NotRequired[str | None]
    """Give it as `after` for the next page."""


class PartRows(TypedDict):
    """Which rows of a table one of its files has."""

    first_row: int
    """Number of its first row in the table, counted from 0."""
    name: str
    """Its path below the folder that all files are in."""
    rows: int


class PartUpload(TypedDict):
    """A complete upload that is a part of a table."""

    name: NotRequired[str | None]
    """What messages and results call it, for example `day=2024-01-01/part-0.csv`: a path, whose folders named
    `COLUMN=VALUE` add the column to all its rows. Absent: the file name that it was uploaded under, or `part-1`,
    `part-2` by its place.
    """
    sha256: str
    """sha256 of the whole file, hexadecimal."""
    split: NotRequired[Split | None]
    """The split of all its rows. All parts have one or none has, and there are some of each; those of `train` are
    read first, then those of `valid`.
    """
    upload_id: UploadId


class PartWork(TypedDict):
    """What a part trains, in words for people."""

    arm: Arm
    backbone: BackboneKind
    phase: Phase
    """`tune` where settings are raced, else the phase that the training belongs to."""
    seed: int


class Plan(TypedDict):
    """A Plan."""

    detectable_gain: NotRequired[Estimate | None]
    """Where the job asks for a verdict: the smallest gain in AUC that its seeds and test rows would certify four
    times out of five. Absent where so few seeds never certify.
    """
    memory_bytes: int
    """Most memory of the trainer, roughly."""
    passes: int
    """Passes over the training rows in all."""
    rows: SplitCounts
    seconds: Estimate
    spec: ResolvedSpec
    """With nothing left to a default: what would run."""
    test_read: NotRequired[TestRead | None]
    """Where the job asks for a verdict: which one on the table's test rows it would be now, and what it may err by."""
    test_reads: int
    """How often the test labels would be read."""
    trainings: int
    """Models trained to early stopping, the proof's included; those that settings are tried on are not."""


class PredictionsView(TypedDict):
    """Predictions that were taken in."""

    bytes: int
    rows: int
    sha256: str
    """sha256, hexadecimal."""
    training: str


class Problem(TypedDict):
    """The body of every error."""

    code: str
    """The last part of `type`, for programs."""
    detail: str
    """What is wrong this time, and how to mend it."""
    errors: NotRequired[list[ProblemItem]]
    errors_truncated: bool
    """Whether there were more than `errors` holds."""
    instance: str
    """Path of the request."""
    request_id: str
    """Quote it when asking the operator; it stands on the server's log lines."""
    retryable: bool
    """Whether the same request may succeed later."""
    status: int
    title: str
    type: str
    """Relative address of a page of this server that explains the problem."""


class Profile(TypedDict):
    """What a table looks like."""

    bytes: int
    """Bytes of the file as uploaded, or of all files together."""
    columns: list[str]
    """Columns of the file, in order."""
    contradicting_rows: int
    """Rows of the training split with a twin (equal fields) of the opposite label."""
    digest: str
    """sha256 over the encoded content (ids, labels, splits, file order): the same rows give the same digest whatever
    file format they came in.
    """
    duplicate_rows: int
    """Rows of the training split whose fields equal an earlier training row's."""
    fields: NotRequired[list[FieldReading]]
    """What each column that is a field was read as. Empty for tables that were read by versions that did not keep it.
    """
    notes: NotRequired[list[str]]
    """What was found out of the table as a whole, and what may be wrong with it, in words."""
    parts: NotRequired[list[PartRows]]
    """The files of a table of several, in the order of its rows."""
    positives: SplitCounts
    """Rows with label 1."""
    rows: SplitCounts
    skipped: NotRequired[SkippedRows]
    """The rows that could not be read and were left out."""
    unknown_cells: dict[str, int]
    """Cells of the valid and test rows whose value no training row has, by field."""
    warnings: NotRequired[list[FieldWarning]]
    """Columns that should perhaps be no fields."""


class Progress(TypedDict):
    """How far a running job is, on a scale that stands from its first pass to its last: `total` is the passes over
    the training rows that were foreseen at its beginning, and every part of the job counts in `done` for those
    foreseen of it, whether it takes more or fewer.
    """

    done: int
    eta_seconds: NotRequired[float | None]
    """Seconds left at the pace so far; absent before it can be told."""
    total: int


class QueuedMessage(TypedDict):
    """A message that is to be sent."""

    message_id: MessageId


class Quota(TypedDict, total=False):
    """How much a tenant may have and ask for; nothing where there is no limit."""

    max_bytes: int | None
    """Bytes of the uploads its datasets were read from, each counted once, of its unfinished uploads, and of its
    encoded tables.
    """
    max_jobs: int | None
    """Jobs that have not ended."""
    requests_per_minute: int | None


class RarestValue(TypedDict):
    """The value of a row's that the fewest training rows have."""

    field: str
    rows: int
    """Training rows with it."""
    value: NotRequired[str | None]
    """Absent for a bucket, and for a value outside of the vocabulary."""


class ReadGain(TypedDict):
    """AUC of the rows kept less that of another arm."""

    ci95: list[float]
    """The 95 % interval of the mean over seeds."""
    mean: float
    over: Arm


class Report(TypedDict):
    """A Report."""

    arms: list[ArmResult]
    """With the job's own backbone and first seed: `full` always, `denoised` unless the method is `none`."""
    best_epoch: NotRequired[int | None]
    """Outer epoch whose subset this is, counted from 1; absent where there was no search."""
    certification: NotRequired[Certification | None]
    """Where the job asked for one: what the verdict rests on."""
    device: str
    """The device the numbers were computed on, for example `cpu`."""
    engine: NotRequired[str]
    """What computed them, for example `fused, x86-64-v3`; empty in reports of versions that had only libtorch."""
    findings: NotRequired[Findings | None]
    """What the method `robust` made of the table, with the first seed."""
    guard: NotRequired[Guard | None]
    """Absent where every row was kept."""
    kept: KeptShare
    """Rows the job's method kept, in all and by label. All rows for method `none`."""
    kept_negative: KeptShare
    kept_positive: KeptShare
    kept_valid: NotRequired[KeptShare | None]
    """Validation rows that the denoised table has. The others lie in places whose training rows were dropped. Absent
    where these are all.
    """
    label_columns: NotRequired[LabelColumns | None]
    """Where there are such rows: the last two columns of the denoised table, which say so."""
    oracle: NotRequired[list[RunResult]]
    """Where noise was planted in the whole job: what training on the rows that were left alone comes to, one a seed."""
    peak_memory_bytes: NotRequired[int | None]
    """Most memory the trainer's process had resident, the mapped dataset included; absent where the system does not
    say.
    """
    relabelled: NotRequired[int]
    """Kept rows that count as of the other label: what they are trained on differs from the label by more than 0.5."""
    reweighted: NotRequired[int]
    """Kept rows that weigh more or less than 1 in training."""
    seconds: float
    self_check: NotRequired[SelfCheckResult | None]
    softened: NotRequired[int]
    """Other kept rows that are trained on something between the labels 0 and 1."""
    spec: ResolvedSpec
    stability: NotRequired[Stability | None]
    """Where the job ran with several seeds, or its verdict chose anew with each."""
    table: NotRequired[list[TableLine]]
    """Every method with every backbone that was trained on what it chose, all seeds. The job's own method comes
    first.
    """
    test_reads: int
    """How often the test labels were read: once for each model of the table and of the proof, where rows were chosen
    on validation data.
    """
    threads: int
    transfers: NotRequired[list[Certification]]
    """The same for the backbones of `spec.transfer`, trained on the job's rows; corrected for being several (Holm)."""
    tuned: NotRequired[list[TunedStudent]]
    """What students were trained with, where that was chosen on validation rows."""
    verdict: NotRequired[Verdict]
    warnings: list[Warning]


class Reproduction(TypedDict):
    """Results of a job that runs another again beside that job's."""

    differing: list[str]
    """Results that differ."""
    identical: bool
    """Whether every result that both have, but the report, which has times in it, is the same to the byte."""
    of: JobId


class ResolvedMethod(TypedDict):
    """A ResolvedMethod."""

    backbone: BackboneKind
    label: NotRequired[str]
    """What tells it apart in a table: its name, and what was swept over."""
    name: MethodName
    options: Options
    own: NotRequired[BaselineOptions]
    """The method's own options beside those of the training; of those below it has some."""
    preset: Preset


class ResolvedSpec(TypedDict):
    """A job as it is run: nothing left to a default."""

    certify: NotRequired[Certify | None]
    compare: NotRequired[list[ResolvedMethod]]
    """What the method is compared with: the methods asked for, then the values of a sweep, and all rows (`none`) for
    each way of training among them, unless it is there already.
    """
    dataset_digest: str
    """`Profile::digest` of the dataset."""
    dataset_id: DatasetId
    deadline_seconds: NotRequired[int | None]
    denoised: NotRequired[DenoisedForm]
    device: Device
    engine: NotRequired[Engine]
    """Absent in jobs of versions that had only `tch`."""
    engine_version: str
    """Version of the program that resolved it."""
    labels: dict[str, str]
    method: ResolvedMethod
    priority: NotRequired[int]
    requires: NotRequired[dict[str, str]]
    seed: int
    seeds: NotRequired[int]
    self_check: NotRequired[SelfCheck | None]
    transfer: NotRequired[list[Trainee]]
    """Backbones that are trained on what each method chose, beside its own."""
    tuning: NotRequired[Tuning]
    webhook_ids: NotRequired[list[WebhookId]]


class RowCell(TypedDict):
    """The value that a row has in a field; of a number in buckets, the bucket."""

    field: str
    value: str


class RowError(TypedDict):
    """One bad row of an uploaded table."""

    column: NotRequired[str | None]
    """Name of the column at fault, where one is, cut to 64 characters."""
    line: NotRequired[int | None]
    """Line of its file on which the row starts, counted from 1. Absent for Parquet, which has no lines."""
    part: NotRequired[str | None]
    """The file it is in, where the table has several: its path below their folder."""
    row: int
    """Position of the row in the table, counted from 0 without the header, over all parts of a table of several
    files.
    """
    rule: str
    """What was expected."""
    value: NotRequired[str | None]
    """What stood there, cut to 64 characters."""


class RowView(TypedDict):
    """Why a training row was dropped or changed, or nearly was."""

    finding: NotRequired[int | None]
    """Number of the finding that it belongs to, from 0, in the report's `findings.corruptions`."""
    kept: bool
    kept_by: NotRequired[int | None]
    """Seeds with which it was kept, where the job ran with several."""
    label: int
    losses: NotRequired[list[float]]
    """Its losses in the method's look-back, the oldest first."""
    opposite_duplicates: int
    """Training rows that equal it in every field and have the other label."""
    rarest: RarestValue
    reason: NotRequired[str | None]
    """Why, in words; absent for a row that is kept as it is, and in results of earlier versions."""
    row: int
    """Its position in the uploaded file, from 0."""
    score: NotRequired[float | None]
    """The method's: the larger, the rather the row is kept. Of AutoDenoise the keep probability."""
    target: NotRequired[float | None]
    """What a kept row is trained on, where that is not its label, and what it weighs, where that is not 1."""
    values: NotRequired[list[RowCell]]
    """Its values, field by field: of the first 10,000 rows, and of the first 50 of each finding."""
    weight: NotRequired[float | None]


class RunResult(TypedDict):
    """What one seed came to."""

    as_selected: NotRequired[Tested | None]
    """The model of the best epoch as the validation phase trained it, where the epochs were chosen by their test
    results: the number the paper reports. Its own test result chose it, so it is too good.
    """
    best_epoch: NotRequired[int | None]
    """Outer epoch whose subset this is, counted from 1; absent where there was no search."""
    best_pass: int
    calibration: NotRequired[Calibration | None]
    """On the test rows; absent in reports of earlier versions."""
    found: NotRequired[Found | None]
    """Where noise was planted in the whole job: how well it was told from the rest."""
    kept: KeptShare
    kept_negative: KeptShare
    kept_positive: KeptShare
    passes: int
    """Passes trained, and the one whose weights were used; counted from 1."""
    seed: int
    select_seconds: float
    """Seconds of choosing the rows, and of training this backbone on them."""
    test: Metrics
    train_seconds: float
    trained_rows: int
    """Rows trained on: those kept, but for the losses, which are trained on all rows and keep some of them."""
    valid: Metrics


class SecretSpec(TypedDict, total=False):
    """Another secret."""

    secret: WebhookSecret | None
    """The key that messages are signed with from now on [default: a new one]."""


class SelfCheck(TypedDict, total=False):
    """Asks whether the method finds noise at all: labels are flipped on purpose, and the method is to drop those."""

    planted_rate: float
    """Share of the training and validation labels flipped. Above 0, at most 0.4."""


class SelfCheckResult(TypedDict):
    """Whether planted noise was found."""

    found: Found
    passed: bool
    """Whether flipped rows score worse than others beyond chance: the AUROC less three standard errors is above 0.5."""
    planted_rate: float


class SkippedRows(TypedDict):
    """Rows of a file that could not be read and were left out."""

    listed: list[RowError]
    """What was wrong with the first of them, at most a hundred faults. A row may have several."""
    rows: int


class Slice(TypedDict):
    """The rows of one value of a field."""

    field: str
    kept: KeptShare
    value: str
    z: float
    """How far its dropped share is from that of all rows, in standard errors of a random drop."""


class SplitCounts(TypedDict):
    """A count for each split."""

    test: int
    train: int
    valid: int


class SplitSpecColumn(TypedDict):
    """A column holding `train`, `valid` (or `val`, `validation`, `dev`) or `test`."""

    column: str
    """A column holding `train`, `valid` (or `val`, `validation`, `dev`) or `test`."""


class SplitSpecGroup(TypedDict):
    """Rows with the same value of a column, as those of a user, are in one split. Values are dealt out by the seed,
    so that the splits have about their shares of the rows.
    """

    group: SplitSpecGroupGroup
    """Rows with the same value of a column, as those of a user, are in one split. Values are dealt out by the seed,
    so that the splits have about their shares of the rows.
    """


class SplitSpecGroupGroup(TypedDict):
    """Rows with the same value of a column, as those of a user, are in one split. Values are dealt out by the seed,
    so that the splits have about their shares of the rows.
    """

    column: str
    ratios: list[float]
    seed: NotRequired[int]


class SplitSpecRatio(TypedDict):
    """A seeded random permutation: the first int(a n) rows of it, then int(b n), then the rest."""

    ratio: SplitSpecRatioRatio
    """A seeded random permutation: the first int(a n) rows of it, then int(b n), then the rest."""


class SplitSpecRatioRatio(TypedDict):
    """A seeded random permutation: the first int(a n) rows of it, then int(b n), then the rest."""

    ratios: list[float]
    """Shares of train, valid and test; they add up to 1."""
    seed: NotRequired[int]


class SplitSpecStratified(TypedDict):
    """As `ratio`, for the rows of either label alone: each split has label 1 as often as the table. For labels that
    are rare.
    """

    stratified: SplitSpecStratifiedStratified
    """As `ratio`, for the rows of either label alone: each split has label 1 as often as the table. For labels that
    are rare.
    """


class SplitSpecStratifiedStratified(TypedDict):
    """As `ratio`, for the rows of either label alone: each split has label 1 as often as the table. For labels that
    are rare.
    """

    ratios: list[float]
    seed: NotRequired[int]


class SplitSpecTime(TypedDict):
    """The earliest rows train, the latest test; rows of the same time in file order."""

    time: SplitSpecTimeTime
    """The earliest rows train, the latest test; rows of the same time in file order."""


class SplitSpecTimeTime(TypedDict):
    """The earliest rows train, the latest test; rows of the same time in file order."""

    column: str
    """A numeric column, or one of ISO 8601 dates or times."""
    ratios: list[float]


class Stability(TypedDict):
    """How far the rows kept depend on the seed."""

    consensus: KeptShare
    """Rows kept by more than half of the seeds."""
    jaccard: float
    """Mean over pairs of seeds of the share that both drop of what either drops."""
    jaccard_by_chance: float
    """What random drops of the same sizes would have."""
    jaccard_with_relabelled: NotRequired[float | None]
    """The same as `jaccard` for rows that are dropped or count as of the other label. Absent where no seed relabels
    any, and in reports of earlier versions.
    """
    seeds: int


class Sweep(TypedDict):
    """Values of one option."""

    option: str
    """For example `warmup_epochs` or `select_ratio`."""
    values: list[OptionValue]
    """1 to 32 values."""


class TableLine(TypedDict):
    """A method and a backbone trained on what it chose."""

    backbone: BackboneKind
    chosen_with: BackboneKind
    """The backbone the rows were chosen with, and the one trained on them."""
    contender: int
    """Number of the method in the job: 0 its own, then those of `spec.compare`."""
    label: str
    method: MethodName
    runs: list[RunResult]
    """One a seed."""


class TableReading(TypedDict, total=False):
    """How a table is read: all but the label may be left out."""

    category: list[str] | None
    """Fields whose every value is a category."""
    columns: list[str] | None
    """Names of the columns of a text table without a line of them."""
    comment: str | None
    """What lines of a text table start with that are no rows, for example `#`."""
    encoding: str | None
    """Encoding of a text table, for example `windows-1252`. Absent: UTF-8, or UTF-16 where the first bytes say so."""
    escape: str | None
    """The character that makes a quote or a separator behind it part of the cell."""
    exclude: list[str] | None
    """Columns they do not see."""
    features: list[str] | None
    """Columns the models see."""
    format: str | None
    """Format of the file: `csv`, `parquet` or `jsonl`. Absent: from its name and first bytes."""
    label: str | None
    """A column of 0 and 1 (`click`), or a rule (`rating > 3`)."""
    max_bad_rows: int | None
    """With `skip`: the most rows that are left out. Absent: one in a hundred, or ten."""
    member: str | None
    """The file in a zip archive that is the table. Absent: the only one."""
    missing: list[str] | None
    """Words that mean that a cell has no value."""
    multi: list[str] | None
    """Fields of several values to a cell: `COLUMN=SEPARATOR` for one category, `COLUMN=SEPARATOR:N` for up to N
    values, `COLUMN=SEPARATOR:last:N` for the last N.
    """
    name: str | None
    """Your own name for it, at most 200 bytes."""
    numeric: list[str] | None
    """Fields that are numbers: `COLUMN`, `COLUMN=log` or `COLUMN=quantile:N`."""
    on_bad_row: str | None
    """What becomes of a row that cannot be read: `error` (default) refuses the table, `skip` leaves the row out."""
    quote: str | None
    """What its cells are quoted with: one character, or `none`."""
    separator: str | None
    r"""Separator of a text table; `\t` is a tab, `\x01` a character by its number."""
    skip_lines: int | None
    """Lines at the start of a text table that are neither names nor rows."""
    spec: DatasetSpec | None
    split: list[float] | None
    """Shares of train, valid and test."""
    split_column: str | None
    """Column that holds train, valid or test."""
    split_group: str | None
    """Column of which no value has rows in two splits, for example of users."""
    split_seed: int | None
    """Seed of a random split."""
    split_stratified: bool | None
    """Whether the rows of each label are split by the same shares."""
    split_time: str | None
    """Column of times: the earliest rows train, the latest test."""
    strict: bool | None
    """Whether a field that should perhaps be none, as an id of rows, is an error."""
    time: str | None
    """Column that says when a row happened: numbers, or ISO 8601 dates or times."""
    vocabulary: str | None
    """Rows the vocabulary is taken from: `train` (default) or `all`."""


class TestRead(TypedDict):
    """Which verdict on its table's test rows one is, and what it may err by. Every verdict reads the test rows, and
    whoever asks for enough of them is certified by luck. So the k-th may err by alpha k^-2.1 / zeta(2.1): all of
    them together by no more than alpha, however many there are.
    """

    alpha: float
    """What all verdicts on these rows may err by together."""
    number: int
    """From 1. The same job again, to the byte of its spec, has the same number."""
    own_alpha: float
    """What this one may."""


class Tested(TypedDict):
    """A Tested."""

    test: Metrics
    valid: Metrics


class TestedPart(TypedDict):
    """How a model did on a part of the test rows."""

    metrics: Metrics
    on: TestRows
    rows: KeptShare
    """Of all test rows."""


class TimeColumn(TypedDict):
    """The column that says when a row happened, and what its encoded times count."""

    column: str
    unit: TimeUnit


class TimeUnitMicroseconds(TypedDict):
    """Microseconds since 1970 (UTC), of dates and times."""

    type: Literal["microseconds"]


class TimeUnitNumber(TypedDict):
    """The column's own numbers times 10^`exponent`: 9 where the largest number allows it, which keeps nine decimals;
    else as much as fits a 64-bit integer, down to -1.
    """

    exponent: int
    type: Literal["number"]


class Trainee(TypedDict):
    """A backbone and the options it is trained with."""

    backbone: BackboneKind
    options: Options


class Training(TypedDict):
    """A model to train. Its rows, targets and weights are arrays (NPY) among the judgement's files."""

    arm: Arm
    name: str
    """The last part of the address of its predictions."""
    rows: str
    """The file of the rows to train on: positions in the uploaded table, from 0, ascending."""
    seed: int
    """Models of one seed are compared with each other, so let it seed all that is random."""
    targets: NotRequired[str | None]
    """The file of what each of them counts as, from 0 to 1. Absent: as its label."""
    weights: NotRequired[str | None]
    """The file of how much each of them counts. Absent: 1."""


class TunedCandidate(TypedDict):
    """A setting that was tried."""

    passes: int
    """Passes it was trained for: it fell behind, or stopped early."""
    valid_auc: float
    """The best on the validation rows."""
    weight_decay: float


class TunedStudent(TypedDict):
    """A student's setting that was chosen on validation rows."""

    arm: Arm
    """The rows: those a method kept, all, or random ones for the verdict."""
    backbone: BackboneKind
    candidates: list[TunedCandidate]
    """All that were tried, in the order of the grid."""
    contender: int
    """Number of the method in the job: 0 its own, then those of `spec.compare`, then the oracle of planted noise."""
    patience: int
    seconds: float
    weight_decay: float


class TuningSettings(TypedDict, total=False):
    """The settings that are tried."""

    patience: int
    """Passes without a better validation AUC after which a training stops; the weights of the best pass are used. 1
    to 100.
    """
    weight_decay: list[float]
    """Weight decays, each trained with the first seed until it falls behind: 1 to 16, each 0 or more."""


class UploadLimits(TypedDict):
    """How tables are taken in parts; `max_upload_bytes` holds for them too."""

    checksum_algorithms: list[str]
    expiry_seconds: float
    """An upload that nothing was sent to for this long is removed."""
    max_parts: NotRequired[int]
    """Uploads that one dataset may be made of."""
    max_unfinished: int
    """Unfinished uploads there may be at once."""
    tus_extensions: list[str]
    tus_version: str


class UploadSample(TypedDict):
    """How the file of an upload reads, before a dataset is made of it."""

    bytes: int
    columns: list[str]
    """Names of the columns, in the file's order."""
    compression: Compression
    format: FileFormat
    name: NotRequired[str | None]
    """The name that it was uploaded under."""
    rows: list[list[str]]
    """The first rows as text, a cell a column."""
    separator: NotRequired[str | None]
    """What stands between two values of a CSV."""
    sha256: str
    """sha256 of the whole file as it arrived, hexadecimal: what `POST /v1/datasets` asks for."""


class VerdictView(TypedDict):
    """What a finished job proved."""

    certification: NotRequired[Certification | None]
    """What the verdict rests on; absent where none was asked for."""
    reproduction: NotRequired[Reproduction | None]
    """Of a job that runs another again: whether it came to the same. Absent where results of either are gone."""
    self_check: NotRequired[SelfCheckResult | None]
    transfers: NotRequired[list[Certification]]
    """The same for other backbones trained on the job's rows."""
    verdict: Verdict


class Warning(TypedDict):
    """Something a reader of the result must know."""

    code: str
    """A stable word, for example `min_selected_fraction`."""
    contender: NotRequired[int]
    """Number of the method in the job: 0 its own, then those of `spec.compare`."""
    message: str


class WebhookData(TypedDict, total=False):
    """Empty in a test."""

    attempt: int | None
    """How many times a worker started the job."""
    job_id: JobId | None
    status: JobState | None
    verdict: Verdict | None
    """Of a job that has succeeded."""


class WebhookPayload(TypedDict):
    """The body of a message: that something happened, and to what. Details are fetched by the job's id."""

    data: WebhookData
    text: NotRequired[str]
    """The same as a sentence, which receivers that take Slack's messages show."""
    timestamp: str
    """When it happened."""
    type: str
    """One of WebhookEvent's words, or `webhook.test`; ignore those you do not know."""


class WebhookSpec(TypedDict):
    """A webhook as a client asks for it."""

    events: NotRequired[list[WebhookEvent] | None]
    """What it is told [default: a job's end, whichever it is]."""
    secret: NotRequired[WebhookSecret | None]
    """The key its messages are signed with [default: a new one]."""
    url: str
    """An https address on the public internet, of at most 2000 bytes, on port 443 or one from 1024 on."""


class WebhookView(TypedDict):
    """An address that is told what becomes of jobs."""

    created_at: str
    disabled_at: NotRequired[str | None]
    """Since when nothing is sent to it, because its receiver answered 410 Gone."""
    events: list[str]
    """WebhookEvent's words."""
    former_secret_until: NotRequired[str | None]
    """Until when messages are signed with the secret before this one too."""
    id: WebhookId
    url: str


class WorkerView(TypedDict):
    """A process that runs jobs."""

    busy: int
    gpus: list[str]
    """GPUs that jobs may ask for."""
    labels: dict[str, str]
    name: str
    """Host, process, and a word that differs after a restart."""
    reasons: NotRequired[list[str]]
    seen_at: str
    slots: int
    """Jobs it runs at once, and what it runs now, reading of datasets included."""
    started_at: str
    state: str
    """`ready`, `unfit` (it claims nothing, for its `reasons`) or `draining` (it is stopping)."""
    torch: bool
    """Whether it has libtorch: every backbone, not those of the engine `fused` alone."""
    version: str


class CreatedWebhook(WebhookView):
    """A CreatedWebhook."""

    secret: str
    """The key its messages are signed with. It is shown this once."""


class PartView(PartWork):
    """A part of a running job: a training, or the race for its setting."""

    state: PartState
    worker: NotRequired[str | None]
    """Who does it, or has done it."""


class RowWithCells(RowView):
    """An explained row, and what it holds."""

    cells: NotRequired[list[CellView]]
    """With `cells=true`: the row as it stands in the uploaded file, a cell a column. None where the dataset was
    deleted.
    """


class TrainingView(Training):
    """A model to train, and whether its predictions are in."""

    predicted: bool
    """Of the test rows."""
    predicted_valid: bool
    """Of the validation rows."""
