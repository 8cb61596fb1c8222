"""What docker/compose.yaml says is run without an engine, and the main job goes through it.

The services of our image run from it, with the command, environment, mounts and health check of the file. For the images of
others, which no machine without a registry has, stand Debian's PostgreSQL and the S3 server moto, under the same names, with
the same passwords.

    compose.py IMAGE: as root, by `unshare --net --mount`
"""

import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import yaml
from compose_spec import PyCompose
from container import PREFIX, Container, Image, Member, make_network, run
from main_job import Client, new_key



class Plain(yaml.SafeDumper):
    """YAML without anchors."""

    def ignore_aliases(self, data):
        return True


DOCKER = pathlib.Path(__file__).parents[2] / "docker"


def read_compose(variables):
    """The file with variables filled in, held against the compose specification."""

    def fill(match):
        name, default = match[1], match[2]
        if name in variables:
            return variables[name]
        assert default is not None, f"compose.yaml wants {name}"
        return default

    text = (DOCKER / "compose.yaml").read_text()
    text = re.sub(r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}", fill, text)
    compose = yaml.safe_load(text)
    # As YAML without anchors and merges, which this reader does not resolve.
    PyCompose.from_yaml(yaml.dump(compose, Dumper=Plain)).validate()
    return compose


def postgres(environment):
    """Debian's PostgreSQL with the user, database and password that the image of PostgreSQL would make."""
    binaries = next(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    user = pwd.getpwnam("postgres")
    as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def command(folder):
        data, password = folder / "data", folder / "password"
        password.write_text(environment["POSTGRES_PASSWORD"])
        data.mkdir()
        os.chown(data, user.pw_uid, user.pw_gid)
        run(*as_user, str(binaries / "initdb"), "-D", str(data), "-U", environment["POSTGRES_USER"], "-A", "scram-sha-256", f"--pwfile={password}", "--no-sync")
        (data / "pg_hba.conf").write_text(f"host all all {PREFIX}.0/24 scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n")
        # The image makes the database at its first start.
        single = [*as_user, str(binaries / "postgres"), "--single", "-D", str(data), "postgres"]
        run(*single, input=f"create database {environment['POSTGRES_DB']}\n")
        return [*as_user, str(binaries / "postgres"), "-D", str(data), "-c", "listen_addresses=*", "-c", f"unix_socket_directories={data}"]

    return command


def bucket(environment):
    del environment
    moto = pathlib.Path(sys.executable).parent / "moto_server"
    return lambda folder: [str(moto), "-H", "0.0.0.0", "-p", "9000"]


STAND_INS = {
    "database": (postgres, None),
    "bucket": (bucket, ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9000"]),
}


class Project:
    """The services of the file, started in the order of what they depend on."""

    def __init__(self, compose, image, secrets):
        self.services, self.image, self.secrets = compose["services"], image, secrets
        self.numbers = {name: 10 + index for index, name in enumerate(self.services)}
        self.hosts = {name: f"{PREFIX}.{number}" for name, number in self.numbers.items()} | {"localhost": "127.0.0.1"}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="autodenoise-compose-", dir="/tmp"))
        self.members = {}

    def start(self, name):
        service = self.services[name]
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy", how
            if needed not in self.members:
                self.start(needed)
            self.members[needed].wait_until_healthy(*self.test(needed))
        environment = {name: str(value) for name, value in service.get("environment", {}).items()}
        if name in STAND_INS:
            make, _ = STAND_INS[name]
            member = Member(name, self.numbers[name], make(environment), environment)
        else:
            mounts = dict(self.mount(text) for text in service["volumes"])
            mounts |= {str(self.secrets[name]): f"/run/secrets/{name}" for name in service.get("secrets", [])}
            assert service["read_only"] and service["tmpfs"] == ["/tmp"], "this is how Container runs it"
            member = Container(self.image, name, self.numbers[name], self.hosts, service["command"], environment, mounts)
        self.members[name] = member
        if name == "bucket":
            member.wait_until_healthy(*self.test(name))
            request = urllib.request.Request(f"http://{member.address}:9000/autodenoise", method="PUT")
            assert urllib.request.urlopen(request).status == 200

    def test(self, name):
        """Its health check: of the file, else of its image."""
        _, own = STAND_INS.get(name, (None, None))
        test = own or self.services[name].get("healthcheck", {}).get("test")
        return [test] if test else []

    def mount(self, text):
        source, target = text.split(":")
        folder = self.folder / source
        if not folder.exists():
            folder.mkdir()
            shutil.chown(folder, 10001, 10001)
        return str(folder), target

    def close(self):
        for member in self.members.values():
            member.close()
        shutil.rmtree(self.folder)


def main():
    make_network()
    compose = read_compose({"AUTODENOISE_DB_PASSWORD": "correct-horse", "AUTODENOISE_BUCKET_SECRET": "battery-staple"})
    key = new_key()
    secret_file = pathlib.Path(tempfile.mkstemp(prefix="autodenoise-key-", dir="/tmp")[1])
    secret_file.write_text(key + "\n")
    secret_file.chmod(0o444)
    image = Image(sys.argv[1])
    project = Project(compose, image, {"first_key": secret_file})
    try:
        for name in compose["services"]:
            if name not in project.members:
                project.start(name)
        for name in compose["services"]:
            project.members[name].wait_until_healthy(*project.test(name))
        print(f"compose: {', '.join(compose['services'])} are healthy")

        client = Client(f"http://{project.hosts['server']}:8080", key)
        until = time.monotonic() + 60
        while len(workers := client.json("GET", "/v1/workers")["data"]) < 2:
            assert time.monotonic() < until, workers
            time.sleep(0.5)
        program, table = image.root / "usr/local/bin/autodenoise", project.folder / "clicks.csv"
        rows = ["--users", "100", "--items", "60", "--rows", "2000", "--seed", "1"]
        subprocess.run([program, "synth", table, *rows], check=True, capture_output=True)
        job = client.run_main_job(table.read_bytes())
        print(f"compose: {job} went through")

        # Preemption: a worker that is told to stop gives its job back, and the other one ends it.
        dataset = client.json("GET", f"/v1/jobs/{job}")["dataset_id"]
        long = {"batch_size": 64, "epochs": 40, "warmup_epochs": 2, "retrain_max_epoch": 2, "select_ratio": 0.9}
        job = client.submit(dataset, method={"preset": "paper", "backbone": "fm", "options": long})
        names = [name for name in project.members if name.startswith("worker")]
        busy = None
        until = time.monotonic() + 60
        while busy is None:
            assert time.monotonic() < until, client.json("GET", f"/v1/jobs/{job}")
            busy = next((name for name in names if job in project.members[name].said()), None)
            time.sleep(0.1)
        assert project.members[busy].stop() == 0, project.members[busy].said()[-2000:]
        row = client.wait(job)
        assert row["status"] == "succeeded", row
        print(f"compose: {busy} was stopped amid {job}, and the job went through")
        for name in reversed(names + ["server"]):
            assert project.members[name].stop() == 0, project.members[name].said()[-2000:]
            assert key[-64:] not in project.members[name].said()
        print("compose: server and workers stopped well on SIGTERM")
    finally:
        project.close()
        image.close()
        secret_file.unlink()


main()
