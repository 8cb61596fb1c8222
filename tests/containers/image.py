"""An image is started as it stands: read-only, as its own user, with a first key from a file; it serves, and stops on SIGTERM.

    image.py IMAGE: one with a PostgreSQL of its own; as root, by `unshare --net --mount`
"""

import pathlib
import subprocess
import sys
import tempfile

from container import PREFIX, Container, Image, make_network, run
from main_job import Client, new_key

make_network()
image = Image(sys.argv[1])
folder = pathlib.Path(tempfile.mkdtemp(prefix="autodenoise-image-", dir="/tmp"))
service = None
try:
    config = image.config
    assert config["User"] == "10001:10001", config["User"]
    labels = config["Labels"]
    for name in ("title", "description", "licenses", "version", "revision"):
        assert labels.get(f"org.opencontainers.image.{name}"), labels
    key = new_key()
    (folder / "first.key").write_text(key + "\n")
    (folder / "data").mkdir(mode=0o711)
    for path in (folder, folder / "first.key", folder / "data"):
        path.chmod(0o755 if path.is_dir() else 0o444)
    run("chown", "10001:10001", str(folder / "data"))

    environment = {"AUTODENOISE_FIRST_KEY_FILE": "/run/secrets/first_key", "AUTODENOISE_THREADS": "1"}
    mounts = {str(folder / "data"): "/var/lib/autodenoise", str(folder / "first.key"): "/run/secrets/first_key"}

    def start(number):
        hosts = {"localhost": "127.0.0.1"}
        return Container(image, f"service{number}", number, hosts, environment=environment, mounts=mounts)

    service = start(10)
    service.wait_until_healthy()
    told = service.exec("sh", "-c", "id -u; touch /usr/local/bin/x 2>&1; touch /tmp/x && echo written; cat /proc/1/comm")
    assert told.stdout.split("\n")[0] == "10001" and "Read-only" in told.stdout and "written" in told.stdout, told
    assert told.stdout.strip().endswith("autodenoise"), f"the program is process 1: {told.stdout}"
    server = f"http://{PREFIX}.10:8080"
    assert Client(server, None).ask("GET", "/v1/jobs")[0] == 401
    client = Client(server, key)
    assert client.ask("GET", "/v1/workers")[0] == 200, "the first key has scope admin"
    program = image.root / "usr/local/bin/autodenoise"
    subprocess.run([program, "synth", folder / "clicks.csv", "--users", "100", "--items", "60", "--rows", "2000", "--seed", "1"], check=True, stdout=subprocess.DEVNULL)
    table = (folder / "clicks.csv").read_bytes()
    job = client.run_main_job(table)
    print(f"image: {job} went through")

    # Process 1 heeds SIGTERM: it drains and ends well, its children with it; the next start goes on with what is there.
    assert service.stop() == 0, service.said()[-2000:]
    assert "stopping" in service.said()
    assert key not in service.said() and key[-64:] not in service.said(), "no log has the key"
    service.close()
    service = start(11)
    service.wait_until_healthy()
    client.server = f"http://{PREFIX}.11:8080"
    assert client.json("GET", f"/v1/jobs/{job}")["status"] == "succeeded"
    assert service.exec("autodenoise", "healthcheck", "--ready").returncode == 0
    assert service.stop() == 0
    print("image: started read-only as 10001, stopped on SIGTERM and started again")
finally:
    if service:
        if service.process.poll() is not None and service.process.returncode:
            print(service.said()[-3000:])
        service.close()
    image.close()
    subprocess.run(["rm", "-rf", folder])
