"""An image's containers where there is no engine: its root, read-only, in namespaces of its own, as its own user.

What runs, as whom, with what and how it is checked is read from the image. Every container has an address on a bridge of
this process's network namespace, so the script that uses this module is run by `unshare --net --mount`, as root.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

BRIDGE = "autodenoise0"
PREFIX = "10.213.0"


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, capture_output=True, **options).stdout


def make_network():
    """The bridge that all containers are on; this process is its .1."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "addr", "add", f"{PREFIX}.1/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")


class Image:
    """An image's root and what it says of itself; removed by `close`."""

    def __init__(self, name):
        self.container = run("buildah", "from", "--pull-never", name).strip()
        self.root = pathlib.Path(run("buildah", "mount", self.container).strip())
        self.config = json.loads(run("buildah", "inspect", "--type", "image", name))["Docker"]["config"]

    def close(self):
        run("buildah", "rm", self.container)


class Member:
    """A program with an address of its own on the bridge."""

    def __init__(self, name, number, command, environment):
        self.name, self.address = name, f"{PREFIX}.{number}"
        self.namespace = f"autodenoise-{os.getpid()}-{name}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="autodenoise-member-", dir="/tmp"))
        # Others run within, as users of their own.
        self.folder.chmod(0o755)
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} | environment
        self._connect()
        self.log = open(self.folder / "log", "w")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *command(self.folder)],
            stdout=self.log, stderr=self.log, env=self.environment,
        )

    def _connect(self):
        link = f"ad{os.getpid() % 100000}n{self.address.rsplit('.', 1)[1]}"
        run("ip", "netns", "add", self.namespace)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        run("ip", "link", "set", link, "master", BRIDGE, "up")
        for words in (["addr", "add", f"{self.address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"]):
            run("ip", "-netns", self.namespace, *words)

    @property
    def pid(self):
        """Of the program itself."""
        return self.process.pid

    def exec(self, *command):
        """Runs a command beside it."""
        words = ["ip", "netns", "exec", self.namespace, *command]
        return subprocess.run(words, text=True, capture_output=True, env=self.environment, timeout=30)

    def is_healthy(self, test):
        """One round of a health check, in compose's form."""
        kind, *words = test
        words = ["sh", "-c", words[0]] if kind == "CMD-SHELL" else words
        return self.process.poll() is None and self.exec(*words).returncode == 0

    def wait_until_healthy(self, test, seconds=120):
        until = time.monotonic() + seconds
        while not self.is_healthy(test):
            assert self.process.poll() is None, f"{self.name} ended: {self.said()[-2000:]}"
            assert time.monotonic() < until, f"{self.name} is not healthy: {self.said()[-2000:]}"
            time.sleep(0.2)

    def said(self):
        return (self.folder / "log").read_text()

    def stop(self, with_signal=signal.SIGTERM, seconds=45):
        """Ends it as an engine does; gives its exit status."""
        if self.process.poll() is None:
            os.kill(self.pid, with_signal)
        return self.process.wait(seconds)

    def close(self):
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.process.wait()
        run("ip", "netns", "del", self.namespace)
        self.log.close()
        shutil.rmtree(self.folder)


class Container(Member):
    """A program of an image, as process 1 of its namespaces: the root read-only, and only mounts and /tmp are written.

    `hosts` has the addresses that it knows by name, `mounts` what lies where in it.
    """

    def __init__(self, image, name, number, hosts, command=None, environment=None, mounts=None):
        self.image, self.user = image, image.config["User"]
        variables = dict(pair.split("=", 1) for pair in image.config["Env"]) | (environment or {})

        def enter(folder):
            (folder / "hosts").write_text("".join(f"{address} {host}\n" for host, address in hosts.items()))
            (folder / "root").mkdir()
            (folder / "enter.sh").write_text(self._entry(folder, {str(folder / "hosts"): "/etc/hosts"} | (mounts or {})))
            namespaces = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork"]
            return [*namespaces, "bash", str(folder / "enter.sh"), *(command or image.config["Cmd"])]

        super().__init__(name, number, enter, variables)

    def _entry(self, folder, binds):
        """The script that makes the root, and then is the program."""
        root = folder / "root"
        lines = [f"set -eu; umask 022; mount --make-rprivate /; mount --bind {self.image.root} {root}"]
        for source, target in binds.items():
            place = self.image.root / target.lstrip("/")
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch() if pathlib.Path(source).is_file() else place.mkdir()
            lines.append(f"mount --bind {source} {root}{target}")
        lines += [
            f"mount -o remount,bind,ro {root}",
            f"mount -t tmpfs tmpfs {root}/tmp; mount -t proc proc {root}/proc; mount -t tmpfs -o mode=755 tmpfs {root}/dev",
            f"for device in null zero random urandom; do touch {root}/dev/$device; mount --bind /dev/$device {root}/dev/$device; done",
            f"mkdir -m 1777 {root}/dev/shm",
            f"exec chroot --userspec={self.user} {root} \"$@\"",
        ]
        return "\n".join(lines)

    @property
    def pid(self):
        """Of its process 1, as this namespace counts."""
        path = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        until = time.monotonic() + 10
        while not (children := path.read_text().split()):
            assert time.monotonic() < until, f"{self.name} did not start: {self.said()}"
            time.sleep(0.05)
        return int(children[0])

    def exec(self, *command):
        """Runs a command beside its process 1, as the same user."""
        user, group = self.user.split(":")
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--net", "--root", "--wd=/"]
        setpriv = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
        return subprocess.run([*enter, *setpriv, *command], text=True, capture_output=True, env=self.environment, timeout=30)

    def is_healthy(self, test=None):
        return super().is_healthy(test or self.image.config["Healthcheck"]["Test"])

    def wait_until_healthy(self, test=None, seconds=120):
        super().wait_until_healthy(test or self.image.config["Healthcheck"]["Test"], seconds)
