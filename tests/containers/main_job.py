"""The main job over HTTP alone: a table goes up, a job runs, a result comes down."""

import json
import secrets
import time
import urllib.error
import urllib.request


class Client:
    def __init__(self, server, key):
        self.server, self.key = server, key

    def ask(self, method, path, body=None, media_type="application/json"):
        """Status and body of an answer."""
        request = urllib.request.Request(self.server + path, method=method, data=body)
        if self.key:
            request.add_header("Authorization", f"Bearer {self.key}")
        if body is not None:
            request.add_header("Content-Type", media_type)
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def json(self, method, path, body=None, **options):
        status, answer = self.ask(method, path, body, **options)
        assert status < 300, f"{method} {path}: {status} {answer[:500]}"
        return json.loads(answer)

    def upload(self, table, wait_seconds=180):
        """A dataset that was read."""
        query = "label=click&split_column=split&exclude=timestamp"
        dataset = self.json("POST", f"/v1/datasets?{query}", table, media_type="text/csv")
        until = time.monotonic() + wait_seconds
        while dataset["status"] == "processing":
            assert time.monotonic() < until, "the table was not read in time"
            time.sleep(0.2)
            dataset = self.json("GET", f"/v1/datasets/{dataset['id']}")
        assert dataset["status"] == "ready", dataset
        return dataset["id"]

    def submit(self, dataset, **more):
        options = {"batch_size": 256, "epochs": 1, "warmup_epochs": 1, "retrain_max_epoch": 1, "select_ratio": 0.9}
        spec = {"dataset_id": dataset, "method": {"preset": "paper", "backbone": "fm", "options": options}} | more
        return self.json("POST", "/v1/jobs", json.dumps(spec).encode())["id"]

    def wait(self, job, wait_seconds=240):
        """The job at its end."""
        until = time.monotonic() + wait_seconds
        while True:
            row = self.json("GET", f"/v1/jobs/{job}")
            if row["status"] in ("succeeded", "failed", "cancelled"):
                return row
            assert time.monotonic() < until, f"the job did not end in time: {row}"
            time.sleep(0.3)

    def run_main_job(self, table):
        job = self.submit(self.upload(table))
        row = self.wait(job)
        assert row["status"] == "succeeded", row
        names = [artifact["name"] for artifact in self.json("GET", f"/v1/jobs/{job}/artifacts")["data"]]
        status, result = self.ask("GET", f"/v1/jobs/{job}/artifacts/indices.csv")
        assert status == 200 and result.startswith(b"row"), (status, result[:80], names)
        return job


def new_key():
    """A key as an operator makes one."""
    return f"adk_{secrets.token_hex(16)}_{secrets.token_hex(32)}"
