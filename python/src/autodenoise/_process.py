"""Runs the program: its arguments in, its result and its words out. Ctrl-C ends it, and all that it started."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from ._errors import AutodenoiseError, DataWarning, JobFailed, NotVerified, Refused, WrongOption
from ._options import Progress
from ._program import find_program
from ._progress import Screen, screen_for

ERRORS: dict[int, type[AutodenoiseError]] = {2: WrongOption, 3: Refused, 5: JobFailed, 9: NotVerified}
INTERRUPTED = 130
# What the program needs to end its trainer, and then some.
SECONDS_TO_END = 10


@dataclass
class Ended:
    """A run of the program that ended as it may.

    Attributes:
        code: Its exit code.
        output: What it printed.
        warnings: What it warned of.
    """

    code: int
    output: bytes
    warnings: list[str] = field(default_factory=lambda: [])

    def json(self) -> dict[str, Any]:
        """What it printed, as JSON."""
        return json.loads(self.output)


def run_program(arguments: Sequence[str], progress: Progress, good: Collection[int] = (0,)) -> Ended:
    """Runs the program to its end.

    Args:
        arguments: What stands behind its name.
        progress: Who sees what it says meanwhile.
        good: The exit codes that are no error.

    Raises:
        AutodenoiseError: It ended otherwise; the text is the program's.
        KeyboardInterrupt: Somebody interrupted it. It has ended, and its trainer with it.
    """
    command = [str(find_program()), *arguments]
    screen = screen_for(progress)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            output = _OutputReader(process)
            said = _listen(process, screen)
            code = process.wait()
        except BaseException:
            _end(process)
            raise
        finally:
            screen.clear()
    warned = [line[len("warning: ") :] for line in said if line.startswith("warning: ")]
    for text in warned:
        warnings.warn(text, DataWarning, stacklevel=4)
    if code in good:
        return Ended(code, output.text(), warned)
    if code in (INTERRUPTED, -signal.SIGINT):
        raise KeyboardInterrupt
    raise ERRORS.get(code, AutodenoiseError)(_error_text(said, code), code=code)


class _OutputReader:
    """Reads what the program prints while its words are listened to: a full pipe would make it wait for ever."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._chunks: list[bytes] = []
        self._thread = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        self._chunks.append(stream.read())

    def text(self) -> bytes:
        self._thread.join()
        return b"".join(self._chunks)


def _listen(process: subprocess.Popen[bytes], screen: Screen) -> list[str]:
    """Shows what the program says, until it says no more; and gives it back."""
    assert process.stderr is not None
    said: list[str] = []
    for raw in process.stderr:
        line = raw.decode(errors="replace").rstrip("\n")
        said.append(line)
        if line and not line.startswith(("error:", "warning:")):
            screen.say(line)
    return said


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the program as Ctrl-C would, so that it ends its trainer first."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _error_text(said: Sequence[str], code: int) -> str:
    """The program's last words, from where it says that something is wrong."""
    starts = [number for number, line in enumerate(said) if line.startswith(("error:", "not verified:"))]
    words = "\n".join(said[starts[-1] :] if starts else said[-5:]).strip()
    for mark in ("error: ", "not verified: "):
        words = words[len(mark) :] if words.startswith(mark) else words
    words = words.replace("\n\nFor more, try '--help'.", "").replace("\n\nFor more information, try '--help'.", "")
    return words or f"the program ended with exit code {code} and said nothing"
