"""How a table is read, as members of a JSON body and as parameters of an address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Optional

from autodenoise.client._types import JobOptions, TableReading


def check_words(given: Mapping[str, Any], known: type) -> dict[str, Any]:
    """What was given by keyword, without what is None.

    Raises:
        TypeError: a keyword is none of those known, as for any other function.
    """
    words: Mapping[str, Any] = known.__annotations__
    for word in given:
        if word not in words:
            raise TypeError(f"got an unexpected keyword argument {word!r}; there are {', '.join(sorted(words))}")
    return {word: value for word, value in given.items() if value is not None}


def reading_body(reading: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a body that says how a table is read."""
    return check_words(reading, TableReading)


def job_body(dataset_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The body that asks for a job."""
    return {"dataset_id": dataset_id, **check_words(options, JobOptions)}


def reading_query(body: Mapping[str, Any]) -> Optional[dict[str, str]]:
    """The same as parameters of an address, or None where they cannot say it.

    There lists are words between commas, so that a name with a comma in it fits only into a body, as do several fields
    with several values to a cell.
    """
    query: dict[str, str] = {}
    for word, value in body.items():
        if word == "spec":
            query[word] = json.dumps(value)
        elif isinstance(value, (list, tuple)):
            parts = [str(part) for part in value]
            if any("," in part or part != part.strip() for part in parts) or (word == "multi" and len(parts) != 1):
                return None
            query[word] = ",".join(parts)
        elif isinstance(value, bool):
            query[word] = "true" if value else "false"
        else:
            query[word] = str(value)
    # Longer addresses are refused by proxies, and by the service beyond 128 KiB.
    return query if sum(len(word) + len(value) for word, value in query.items()) <= 4000 else None
