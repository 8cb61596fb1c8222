"""A real service for tests: the program with its private PostgreSQL, and a proxy before it that breaks connections."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable, Optional

ROOT = Path(__file__).resolve().parents[3]


def find_program() -> Path:
    """The program under test: what AUTODENOISE_PROGRAM names, else a build of this checkout."""
    named = os.environ.get("AUTODENOISE_PROGRAM")
    built = [ROOT / "target" / kind / "autodenoise" for kind in ("release", "debug")]
    for program in [Path(named)] if named else built:
        if program.exists():
            return program.absolute()
    raise FileNotFoundError(
        "no program to test: build it with `cargo build --locked`, or name it in AUTODENOISE_PROGRAM"
    )


class Service:
    """A service on a port of its own, which stays the same when it is started again."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.flags = flags
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Optional[subprocess.Popen[bytes]] = None

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        address = self.folder / "address"
        with address.open("wb") as out, (self.folder / "log").open("ab") as log:
            command = [
                find_program(),
                "serve",
                "--listen",
                f"127.0.0.1:{self.port}",
                "--data-dir",
                self.folder / "data",
            ]
            self.process = subprocess.Popen([*command, "--threads", "1", *self.flags], stdout=out, stderr=log)
        deadline = time.monotonic() + 60
        while b"listening on" not in address.read_bytes():
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the service does not start"
            time.sleep(0.05)

    def kill(self) -> None:
        """Ends it as a lack of memory or of power would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ends it as an operator does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def make_key(self, scope: str = "write", *flags: str) -> str:
        """A key of its API."""
        command = [
            find_program(),
            "keys",
            "create",
            "--scope",
            scope,
            "--data-dir",
            self.folder / "data",
            "--log",
            "warn",
        ]
        return subprocess.run([*command, *flags], check=True, capture_output=True, text=True).stdout.strip()


class Proxy:
    """Hands bytes on to a service and back, and breaks connections."""

    def __init__(self, port: int) -> None:
        self.cut: Callable[[], bool] = lambda: False
        """Whether a connection is to break, asked before each block is handed on."""
        self.sent = 0
        """Bytes that came from clients."""
        self.received = 0
        """Bytes that came from the service."""
        self.connections = 0
        """Connections so far."""
        self._port = port
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(self, count: Callable[[], int], *places: int) -> list[int]:
        """Breaks a connection whenever a count has come to the next of these places; gives those that are left."""
        left = sorted(places)

        def cut() -> bool:
            with self._lock:
                if left and count() >= left[0]:
                    left.pop(0)
                    return True
                return False

        self.cut = cut
        return left

    def close(self) -> None:
        """Ends it."""
        _close(self._listener)
        for connection in self._open:
            _close(connection)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                _close(client)
                continue
            self.connections += 1
            self._open += [client, server]
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, upwards: bool) -> None:
        try:
            while block := source.recv(64 << 10):
                if upwards:
                    self.sent += len(block)
                else:
                    self.received += len(block)
                if self.cut():
                    break
                sink.sendall(block)
        except OSError:
            pass
        _close(source)
        _close(sink)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
