"""The main job through the client that openapi-python-client makes of the OpenAPI document: a table in, a job, its rows out."""

import os
import sys
import time

from denoise_client.api.datasets import find_dataset, upload_table
from denoise_client.api.jobs import create_job, find_job, list_events, list_jobs, plan_job
from denoise_client.api.results import get_artifact, list_artifacts
from denoise_client.client import AuthenticatedClient
from denoise_client.models import DatasetView, JobSpec, JobView, MethodSpec, MethodSpecOptions, Plan
from denoise_client.models import BackboneKind, MethodName
from denoise_client.types import File

client = AuthenticatedClient(base_url=os.environ["AUTODENOISE_SERVER"], token=os.environ["AUTODENOISE_API_KEY"])


def wait_until(look, is_over):
    deadline = time.monotonic() + 120
    while not is_over(thing := look()):
        assert time.monotonic() < deadline, thing
        time.sleep(0.1)
    return thing


with open(sys.argv[1], "rb") as table:
    dataset = upload_table.sync(client=client, body=File(payload=table), label="click", split_column="split",
                                exclude="timestamp")
assert isinstance(dataset, DatasetView), dataset
dataset = wait_until(lambda: find_dataset.sync(dataset.id, client=client), lambda it: it.status != "processing")
assert dataset.status == "ready" and dataset.profile.rows.train > 0, dataset

options = MethodSpecOptions.from_dict({"retrain_max_epoch": 1, "select_ratio": 0.9, "mlp_dims": [8]})
method = MethodSpec(name=MethodName.RANDOM_DROP, backbone=BackboneKind.FM, options=options)
spec = JobSpec(dataset_id=dataset.id, method=method)
plan = plan_job.sync(client=client, body=spec)
assert isinstance(plan, Plan) and plan.memory_bytes > 0, plan
job = create_job.sync(client=client, body=spec)
assert isinstance(job, JobView), job
job = wait_until(lambda: find_job.sync(job.id, client=client), lambda it: it.is_terminal)
assert job.status == "succeeded", job
assert any(it.id == job.id and it.method == "random_drop" for it in list_jobs.sync(client=client).data)
events = list_events.sync_detailed(job.id, client=client)
assert b"job.succeeded" in events.content, events

names = [it.name for it in list_artifacts.sync(job.id, client=client).data]
assert "denoised" in names, names
denoised = get_artifact.sync_detailed(job.id, "denoised", client=client)
assert denoised.status_code == 200 and denoised.content.startswith(b"user"), denoised.content[:100]
print(f"openapi-python-client: {len(denoised.content)} bytes of kept rows")
