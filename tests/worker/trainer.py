"""A trainer that computes nothing and speaks the real protocol. Arguments: what to do, and a folder shared with the test."""

import json
import os
import signal
import subprocess
import sys
import time

mode, shared = sys.argv[1], sys.argv[2]
job = json.loads(sys.stdin.readline())
out = job["out_dir"]


def say(event, **data):
    print(json.dumps({"event": event, **data}), flush=True)


def write(name, text):
    with open(os.path.join(out, name), "w") as file:
        file.write(text)


def epoch(number):
    metrics = {"auc": 0.75, "logloss": 0.5, "clipped": 0}
    say("epoch", **{"arm": "denoised", "seed": 42, "phase": "search", "epoch": number, "pass": 1, "seconds": 0.1,
                    "train": metrics, "valid": None, "kept": 0.98, "reward_mean": 0.0, "reward_std": 1.0,
                    "skipped_updates": 0})


def checkpoint(number):
    write(f"checkpoint-{number}", f"state {number}")
    say("checkpoint", file=f"checkpoint-{number}", phase="search", epoch=number)


def finish():
    write("indices.parquet", "rows")
    say("artifact", name="indices", file="indices.parquet", media_type="application/vnd.apache.parquet",
        download_name="indices.parquet")
    with open(os.path.join(shared, "report.json")) as file:
        report = json.load(file)
    say("finished", **{**report, "spec": job["spec"]})


def hang():
    child = subprocess.Popen(["sleep", "1000"])
    with open(os.path.join(shared, f"pids-{job['attempt']}.new"), "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    os.rename(file.name, file.name.removesuffix(".new"))
    say("phase", phase="search", epoch=1)
    time.sleep(1000)


with open(os.path.join(shared, "earlier-reads"), "a") as file:
    file.write(f"{job['attempt']}:{job['earlier_reads']} ")
say("started", device="cpu", engine="fused", threads=job["threads"], resumed=job["resume_from"] is not None)
if mode == "succeed":
    print("a library's chatter", flush=True)
    assert os.path.exists(os.path.join(job["dataset_dir"], "feature_map.json")), job["dataset_dir"]
    assert open(job["source"]["parts"][0]["path"]).read() == "user,click\n", job["source"]
    say("phase", phase="search", epoch=1)
    epoch(1)
    for done in range(100):
        say("progress", done=done + 1, total=100, eta_seconds=None)
    say("warning", code="min_selected_fraction", message="few rows")
    for number in range(1, 4):
        checkpoint(number)
    finish()
elif mode == "crash_once":
    if job["attempt"] == 1:
        epoch(1)
        checkpoint(1)
        checkpoint(2)
        # The worker has both once it has this.
        say("phase", phase="search", epoch=2)
        while not os.path.exists(os.path.join(shared, "go")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    assert open(job["resume_from"]).read() == "state 2", job["resume_from"]
    epoch(1)
    epoch(2)
    finish()
elif mode == "hang":
    hang()
elif mode == "hang_once":
    if job["attempt"] == 1:
        hang()
    finish()
elif mode == "wait":
    for number in range(1, 50):
        epoch(number)
    say("phase", phase="search", epoch=7)
    while not os.path.exists(os.path.join(shared, "go")):
        time.sleep(0.01)
    for number in range(50, 100):
        epoch(number)
    finish()
elif mode == "pause":
    if job["attempt"] == 1:
        epoch(1)
        say("phase", phase="search", epoch=1)
        assert json.loads(sys.stdin.readline()) == {"order": "pause"}
        epoch(2)
        checkpoint(2)
        say("paused")
    else:
        assert open(job["resume_from"]).read() == "state 2", job["resume_from"]
        epoch(3)
        finish()
elif mode == "stall":
    if job["attempt"] == 1:
        hang()
    # Silent, and at work.
    until = time.monotonic() + 3
    while time.monotonic() < until:
        pass
    finish()
elif mode == "poison":
    print(json.dumps({"level": "ERROR", "fields": {"message": "no such column `user`"}}), file=sys.stderr, flush=True)
    sys.exit(3)
elif mode == "gluttony":
    print("memory allocation of 9000000000 bytes failed", file=sys.stderr, flush=True)
    os.abort()
elif mode == "refuse":
    say("failed", message="the dataset is too small", retryable=False, kind="invalid")
elif mode == "garbage":
    print('{"event": "dance"}', flush=True)
    time.sleep(1000)
elif mode == "endless":
    while True:
        sys.stdout.write("{" * (1 << 20))
elif mode == "escape":
    say("artifact", name="indices", file="../../../../objects/uploads", media_type="a/b", download_name="x")
    time.sleep(1000)
