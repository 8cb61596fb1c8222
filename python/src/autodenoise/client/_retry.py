"""When a request is sent again, and how long is waited before."""

from __future__ import annotations

import random
import ssl
from dataclasses import dataclass
from time import monotonic
from typing import Optional

import httpx

from autodenoise.client._errors import ApiError

# 423: another request writes to the upload, at the latest until its connection is known to be broken.
_PASSING = frozenset({408, 423, 502, 503, 504})


@dataclass(frozen=True)
class Retry:
    """How long, and how often, a request that meets an outage is sent again.

    Waits are random between nothing and a bound that doubles with each try, so that many clients do not come back at
    once. What the service asks for in ``Retry-After`` is waited for in any case, and a random part of the bound more.
    """

    patience: float = 60.0
    """Seconds of trying again, from the first failure on; 0 for never."""
    first: float = 0.2
    """Seconds that the first wait is at most."""
    longest: float = 8.0
    """Seconds that any wait is at most, if the service asks for no longer one."""


class Attempts:
    """The tries of one request. A success of any kind begins them anew."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self.reset()

    def reset(self) -> None:
        """Forgets the failures so far."""
        self._failures = 0
        self._until: Optional[float] = None

    def wait_after(self, asked: float = 0.0) -> Optional[float]:
        """Seconds to wait after a failure, at least those asked for; None where there is no patience left for that."""
        now = monotonic()
        if self._until is None:
            self._until = now + self._retry.patience
        bound = min(self._retry.longest, self._retry.first * 2 ** min(self._failures, 30))
        self._failures += 1
        wait = asked + random.uniform(0.0, bound)
        if now + asked >= self._until:
            return None
        return min(wait, max(asked, self._until - now))

    def wait_after_answer(self, error: ApiError, replayable: bool) -> Optional[float]:
        """Seconds to wait after a refusal; None where sending the same again is not allowed, or would not help."""
        # A request too many was not carried out. A quota comes back when something is deleted, which may be never.
        too_many = error.status == 429 and error.code != "quota_exceeded"
        if not too_many and not (error.status in _PASSING and replayable):
            return None
        return self.wait_after(error.retry_after or 0.0)

    def wait_after_break(self, error: httpx.TransportError, replayable: bool) -> Optional[float]:
        """Seconds to wait after a connection failed; None as for refusals."""
        if isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError)) or _is_untrusted(error):
            return None
        nothing_sent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
        return self.wait_after() if replayable or nothing_sent else None


def _is_untrusted(error: BaseException) -> bool:
    """Whether the other side's certificate was not accepted, which no other try changes."""
    cause: Optional[BaseException] = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
