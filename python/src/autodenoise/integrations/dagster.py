"""Dagster: an asset that is another asset without the rows that are corrupt."""

# No `from __future__ import annotations` here: Dagster looks at the types themselves.

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional, Union, cast

from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetKey,
    AssetsDefinition,
    ConfigurableResource,
    MetadataValue,
    Output,
    asset,
)

from autodenoise.client import Client
from autodenoise.integrations._refusal import IfRefused, hands_out_kept

if TYPE_CHECKING:
    from autodenoise.client._types import JobOptions, Report, TableReading


class AutodenoiseResource(ConfigurableResource[Client]):
    """A service. The key is best a ``dagster.EnvVar``, so that it stands in no page."""

    server: str
    """Its address."""
    key: Optional[str] = None
    """A key of its API."""

    def connect(self) -> Client:
        """A client, to be closed."""
        return Client(self.server, self.key)


def build_denoised_asset(
    name: str,
    table: Union[str, Sequence[str], AssetKey],
    *,
    reading: "TableReading",
    job: "Optional[JobOptions]" = None,
    if_refused: IfRefused = "all",
    resource_key: str = "autodenoise",
    **asset_arguments: Any,  # noqa: ANN401
) -> AssetsDefinition:
    """An asset of the rows of another to train on.

    The other asset is a frame of pandas, polars or pyarrow, and so is this one. Its metadata has the verdict, the rows
    kept, the gain with its interval and the report's address. A run that is ended cancels the job.

    Args:
        name: the asset's name.
        table: the asset that is denoised.
        reading: how the table is read: ``{"label": .., "split_column": ..}``.
        job: what is asked for beside: ``{"method": .., "certify": {}}``. By default a verdict is.
        if_refused: what the asset has when the verdict says no: ``all`` rows, the ``kept`` ones, or ``fail``.
        resource_key: the key of the :class:`AutodenoiseResource`.
        asset_arguments: more of what ``dagster.asset`` takes, for example ``group_name``.
    """
    upstream = AssetKey(table) if not isinstance(table, AssetKey) else table
    options: JobOptions = job if job is not None else {"certify": {}}

    @asset(
        name=name,
        ins={"frame": AssetIn(key=upstream)},
        required_resource_keys={resource_key},
        kinds={"autodenoise"},
        **asset_arguments,
    )
    def denoised(context: AssetExecutionContext, frame: Any) -> Output[Any]:  # noqa: ANN401
        resource: AutodenoiseResource = getattr(context.resources, resource_key)
        with resource.connect() as client:
            dataset = client.datasets.upload(frame, **reading)
            ended = client.jobs.run(dataset["id"], progress=lambda view: context.log.info(_describe(view)), **options)
            rows = frame
            if hands_out_kept(ended, if_refused):
                kind = type(frame).__module__.split(".")[0]
                rows = client.artifacts.frame(ended["id"], "denoised", kind, allow_uncertified=True)
            report = client.jobs.report(ended["id"])
            metadata = _metadata(report, f"{client.url}/v1/jobs/{ended['id']}/artifacts/report.html")
        return Output(rows, metadata=metadata)

    return cast("AssetsDefinition", denoised)


def _describe(view: Mapping[str, Any]) -> str:
    progress = cast("Mapping[str, Any]", view.get("progress") or {})
    passes = f", pass {progress['done']} of {progress['total']}" if progress else ""
    return f"{view['id']} is {view['status']}{passes}"


def _metadata(report: "Report", address: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "verdict": report.get("verdict", "not_evaluated"),
        "rows_kept": report["kept"]["rows"],
        "rows": report["kept"]["of"],
        "report": MetadataValue.url(address),
    }
    certification = report.get("certification")
    if certification:
        for gain in certification["gains"]:
            low, high = gain["ci95"]
            metadata[f"delta_auc_over_{gain['over']}"] = gain["mean"]
            metadata[f"delta_auc_over_{gain['over']}_interval"] = f"{low:+.5f} to {high:+.5f}"
    return metadata
