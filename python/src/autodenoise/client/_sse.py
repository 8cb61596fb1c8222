"""Server-sent events, read from the bytes of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator

from autodenoise.client._types import EventView


class EventReader:
    """Takes bytes as they come, and gives the events that are complete.

    Lines end with a line feed and nothing else: JSON may hold other characters that Unicode counts as ends of lines.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, str] = {}

    def feed(self, chunk: bytes) -> Iterator[EventView]:
        """The events that end in these bytes. Comments, which say only that the stream lives, give none."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for raw in lines:
            line = raw.rstrip(b"\r").decode("utf-8", "replace")
            if not line:
                event, self._fields = _make_event(self._fields), {}
                if event is not None:
                    yield event
                continue
            name, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if name == "data" and "data" in self._fields:
                value = f"{self._fields['data']}\n{value}"
            if name:
                self._fields[name] = value


def _make_event(fields: dict[str, str]) -> EventView | None:
    """An event as the pages of events have it: `seq` and `at` beside its data instead of among them."""
    if "data" not in fields:
        return None
    data = json.loads(fields["data"])
    seq, at = int(data.pop("seq", fields.get("id", 0))), data.pop("at", "")
    return {"seq": seq, "type": fields.get("event", "message"), "at": at, "data": data}


def ends_job(event: EventView) -> bool:
    """Whether it is a job's last event."""
    return event["type"] in ("job.succeeded", "job.failed", "job.cancelled")
