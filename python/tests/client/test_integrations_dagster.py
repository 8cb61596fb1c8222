"""Dagster, with assets materialised in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from jobs import READING, quick
from service import Service

dagster = pytest.importorskip("dagster")
pandas = pytest.importorskip("pandas")


@pytest.mark.parametrize(("if_refused", "rows"), [("all", 2000), ("kept", 1840), ("fail", None)])
def test_an_asset_without_the_corrupt_rows(
    service: Service, key: str, clicks: Path, if_refused: str, rows: int | None
) -> None:
    from autodenoise.integrations.dagster import AutodenoiseResource, build_denoised_asset

    @dagster.asset
    def interactions() -> pandas.DataFrame:
        return pandas.read_csv(clicks)

    clean = build_denoised_asset(
        "clean",
        "interactions",
        reading=READING,
        job=quick(certify={"seeds": 2}),
        if_refused=if_refused,  # pyright: ignore
        group_name="training",
    )
    resources = {"autodenoise": AutodenoiseResource(server=service.url, key=key)}
    run = dagster.materialize([interactions, clean], resources=resources, raise_on_error=False)
    assert run.success == (rows is not None)
    if rows is None:
        failure = next(event for event in run.all_events if event.event_type_value == "STEP_FAILURE")
        assert "no gain by leaving rows out is certain" in str(failure.step_failure_data.error)
        return
    frame = run.output_for_node("clean")
    assert isinstance(frame, pandas.DataFrame)
    assert frame.shape == (rows, 8)
    metadata = run.asset_materializations_for_node("clean")[0].metadata
    assert metadata["verdict"].value == "inconclusive"
    assert metadata["rows_kept"].value == 1440
    assert isinstance(metadata["delta_auc_over_full"].value, float)
    assert metadata["report"].value.startswith(service.url)
