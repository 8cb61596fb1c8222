"""What can go wrong, as exceptions. A verdict that says no is none of them: it is a result."""

from __future__ import annotations

from typing import Any, Mapping, Optional


class AutodenoiseError(Exception):
    """The base of what this package raises when the program or a server says that something is wrong.

    Attributes:
        text: What went wrong, in the words of the program or the server.
        code: The exit code of the program, or the status of the server's answer; None where neither took part.
        problem: The server's problem document (RFC 9457), or None where it was not a server that said it.
    """

    def __init__(self, text: str, *, code: Optional[int] = None, problem: Optional[Mapping[str, Any]] = None) -> None:
        """An error with its text, and where there is one the program's exit code or the server's problem."""
        super().__init__(text)
        self.text = text
        self.code = code
        self.problem = problem


class UnusableFrame(AutodenoiseError, TypeError):
    """A frame, or a column of it, that cannot be handed to the program."""


class WrongOption(AutodenoiseError, ValueError):
    """An option that there is not, or a value that it cannot have. Nothing was run."""


class Refused(AutodenoiseError, ValueError):
    """The table, the options or the predictions are not valid; the text says which rows or columns. Nothing was run."""


class JobFailed(AutodenoiseError):
    """The work was begun and could not be ended."""


class NotVerified(AutodenoiseError):
    """A table, a file or a certificate is not what it is said to be."""


class DataWarning(UserWarning):
    """Something about the table that should be looked at, and does no harm to the run."""
