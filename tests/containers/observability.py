"""Every expression of the dashboard, of the alerts and of the autoscaler, asked of a real Prometheus that scrapes a real service.

    observability.py PROGRAM: the built autodenoise; prometheus and promtool are Debian's
"""

import http.server
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import helm_python as helm
import yaml
from main_job import Client

DOCKER = pathlib.Path(__file__).parents[2] / "docker"
# What Grafana would put there: four times the interval of scrapes, and more for a slow machine.
RATE_INTERVAL = "1m"


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes every webhook."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(what, holds, seconds=120):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.3)


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False


def query(prometheus, expression):
    """Series of an expression; fails where Prometheus does not understand it."""
    data = urllib.parse.urlencode({"query": expression}).encode()
    try:
        answer = json.load(urllib.request.urlopen(f"{prometheus}/api/v1/query", data=data, timeout=30))
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{expression}: {error.read().decode()}") from error
    assert not answer.get("warnings"), answer
    return answer["data"]["result"]


def dashboard_expressions():
    dashboard = json.loads((DOCKER / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield f"dashboard, {panel['title']}", target["expr"].replace("$__rate_interval", RATE_INTERVAL)


def autoscaler_expressions():
    with helm.Chart.load(str(DOCKER / "helm")) as chart:
        files = chart.render({"autoscaling": {"enabled": True}}, name="denoise", namespace="ads")
    for text in files.values():
        for manifest in yaml.safe_load_all(text):
            if manifest and manifest["kind"] == "ScaledObject":
                for trigger in manifest["spec"]["triggers"]:
                    yield "autoscaler", trigger["metadata"]["query"]


def alert_expressions():
    for group in yaml.safe_load((DOCKER / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield f"alert, {rule['alert']}", rule["expr"]


def main():
    program = sys.argv[1]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="autodenoise-observability-", dir="/tmp"))
    folder.chmod(0o755)
    processes = []

    def start(name, *command):
        log = open(folder / f"{name}.log", "w")
        processes.append(subprocess.Popen([str(word) for word in command], stdout=log, stderr=log))

    try:
        api, health, port = free_port(), free_port(), free_port()
        start("service", program, "serve", "--listen", f"127.0.0.1:{api}", "--health-listen", f"127.0.0.1:{health}",
              "--data-dir", folder / "data", "--threads", "1", "--webhooks-allow-insecure")
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(DOCKER / "alerts.yaml")],
            "scrape_configs": [{"job_name": "autodenoise", "static_configs": [{"targets": [f"127.0.0.1:{health}"]}]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        start("prometheus", "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'series'}",
              f"--web.listen-address=127.0.0.1:{port}")
        prometheus = f"http://127.0.0.1:{port}"
        wait("the service is there", lambda: answers(f"http://127.0.0.1:{health}/readyz"))
        wait("Prometheus is there", lambda: answers(f"{prometheus}/-/ready"))
        wait("the service is scraped", lambda: query(prometheus, 'up{job="autodenoise"} == 1'))

        # Something of everything that is counted.
        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        client = Client(f"http://127.0.0.1:{api}", None)
        hook = json.dumps({"url": f"http://127.0.0.1:{receiver.server_port}/"}).encode()
        hook = client.json("POST", "/v1/webhooks", hook)["id"]
        assert client.ask("POST", f"/v1/webhooks/{hook}/test", b"")[0] < 300
        rows = ["--users", "100", "--items", "60", "--rows", "2000", "--seed", "1"]
        subprocess.run([program, "synth", folder / "clicks.csv", *rows], check=True, capture_output=True)
        client.run_main_job((folder / "clicks.csv").read_bytes())
        wait("a webhook is delivered", lambda: query(prometheus, 'autodenoise_webhook_deliveries_total{outcome="delivered"} > 0'))

        figures = urllib.request.urlopen(f"http://127.0.0.1:{health}/metrics").read()
        checked = subprocess.run(["promtool", "check", "metrics"], input=figures, capture_output=True)
        assert checked.returncode == 0 and not checked.stderr, checked.stderr.decode()
        names = set(re.findall(r"^# TYPE (\S+)", figures.decode(), re.M))
        described = set(re.findall(r"^# HELP (\S+)", figures.decode(), re.M))
        assert names <= described, f"without HELP: {names - described}"

        counts, shown = {}, set()
        for what, expression in [*dashboard_expressions(), *autoscaler_expressions(), *alert_expressions()]:
            used = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"\bautodenoise_\w+", expression)}
            assert used <= names, f"{what} asks for figures that are not there: {used - names}"
            kind = what.split(",")[0]
            # An alert has no series as long as all is well; others have one from the second scrape on.
            wait(f"{what} has no series: {expression}", lambda: query(prometheus, expression) or kind == "alert", 20)
            counts[kind] = counts.get(kind, 0) + 1
            if kind == "dashboard":
                shown |= used
        assert shown == names, f"the dashboard leaves out {names - shown}"
        rules = json.load(urllib.request.urlopen(f"{prometheus}/api/v1/rules"))["data"]["groups"]
        for rule in (rule for group in rules for rule in group["rules"]):
            assert rule["health"] == "ok" and rule["state"] == "inactive", rule
        print(f"observability: {len(names)} figures; expressions that were asked: {counts}")
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(60)
        shutil.rmtree(folder)


main()
