"""What the program says while it works, where somebody looks."""

from __future__ import annotations

import shutil
import sys
from typing import Any, Callable, Optional, Protocol

from ._options import Progress


class Screen(Protocol):
    """Something that shows lines."""

    def say(self, line: str) -> None:
        """Shows what is being done now."""
        ...

    def clear(self) -> None:
        """Takes away what was shown: the work has ended."""
        ...


def screen_for(progress: Progress) -> Screen:
    """What shows progress: on a terminal one line that changes, in a notebook too, and elsewhere nothing unless asked for."""
    if callable(progress):
        return _Told(progress)
    if progress is False:
        return _Nothing()
    if _in_notebook():
        return _Notebook()
    if sys.stderr.isatty():
        return _Terminal()
    return _Told(_print) if progress else _Nothing()


class _Nothing:
    def say(self, line: str) -> None:
        pass

    def clear(self) -> None:
        pass


class _Told:
    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def say(self, line: str) -> None:
        self._tell(line)

    def clear(self) -> None:
        pass


class _Terminal:
    def say(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write("\r\x1b[2K" + line.strip()[:width])
        sys.stderr.flush()

    def clear(self) -> None:
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()


class _Notebook:
    def __init__(self) -> None:
        self._handle: Optional[Any] = None

    def say(self, line: str) -> None:
        self._show(line.strip())

    def clear(self) -> None:
        if self._handle is not None:
            self._show("")

    def _show(self, text: str) -> None:
        from IPython.display import display  # pyright: ignore

        shown: Any = {"text/plain": text}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)


def _print(line: str) -> None:
    print(line, file=sys.stderr)


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return shell is not None and type(shell()).__name__ == "ZMQInteractiveShell"


def in_notebook() -> bool:
    """Whether what is shown is shown in a notebook."""
    return _in_notebook()
