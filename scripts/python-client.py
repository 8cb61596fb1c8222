#!/usr/bin/env python3
"""Writes what of the Python client follows from something else.

Types and operations follow from openapi/openapi.json, and the client that blocks from the one that is awaited. With
--check it writes nothing, and says which files are not as they would be written.
"""

from __future__ import annotations

import argparse
import json
import keyword
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "python" / "src" / "autodenoise" / "client"
WIDTH = 120
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
# What a call takes as keyword arguments: a body's members without those that the method has parameters for.
ARGUMENTS = {
    "JobOptions": (
        "JobSpec",
        {"dataset_id"},
        "What a job may be asked for beside its dataset: all of it may be left out.",
    ),
    "TableReading": (
        "DatasetFromUpload",
        {"upload_id", "sha256", "uploads"},
        "How a table is read: all but the label may be left out.",
    ),
}
# From the client that is awaited to the one that blocks, word by word.
BLOCKING = [
    (r"\basync (def|for|with) ", r"\1 "),
    (r"\bawait ", ""),
    (r"\bAsync(Client|Transport|Datasets|Uploads|Jobs|Judgements|Artifacts|Webhooks)\b", r"\1"),
    (r"\bhttpx\.Async(Client|BaseTransport)\b", r"httpx.\1"),
    (r"\bAsync(Iterator|Generator)\b", r"\1"),
    (r"\bGenerator\[([^\[\],]+(?:\[[^\]]*\])?), None\]", r"Generator[\1, None, None]"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\baiter_(bytes|raw)\b", r"iter_\1"),
    (r"\ba(read|close)\(", r"\1("),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\b_async\b", "_sync"),
    (r"for +(row|event) in ([^\n]*):\n +yield \1\n", r"yield from \2\n"),
    (r"\bawaited client\b", "blocking client"),
]


def main() -> None:
    """Writes or checks the files."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing; exit status 1 where a file differs")
    check = arguments.parse_args().check
    document = json.loads((ROOT / "openapi" / "openapi.json").read_text())
    files = {CLIENT / "_types.py": write_types(document), CLIENT / "_operations.py": write_operations(document)}
    for source in sorted((CLIENT / "_async").glob("*.py")):
        if source.name != "io.py":
            files[CLIENT / "_sync" / source.name] = make_blocking(source.read_text())
    differing = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in differing:
        if check:
            print(
                f"{path.relative_to(ROOT)} is not as it would be written: run scripts/python-client.py", file=sys.stderr
            )
        else:
            path.write_text(files[path])
    sys.exit(1 if check and differing else 0)


def make_blocking(source: str) -> str:
    """The text of a module of the client that blocks."""
    for pattern, replacement in BLOCKING:
        source = re.sub(pattern, replacement, source)
    head, rest = sort_imports(source).split("\n", 1)
    return f"{head}\n# Written by scripts/python-client.py from the module of this name in _async.\n{rest}"


def sort_imports(source: str) -> str:
    """The text with its imports in the order of their new names."""

    def sort_names(found: re.Match) -> str:
        names = sorted(found[2].split(", "), key=lambda name: (not name.isupper(), not name[0].isupper(), name.lower()))
        return f"{found[1]}{', '.join(names)}"

    source = re.sub(r"(?m)^(from \S+ import )(\w+(?:, \w+)*)$", sort_names, source)
    statement = r"from autodenoise\S* import (?:\([^)]*\)|[^\n(]*)\n"
    return re.sub(
        f"(?m)^(?:{statement})+",
        lambda block: "".join(sorted(re.findall(statement, block[0]), key=lambda line: line.split()[1])),
        source,
        count=1,
    )


def write_operations(document: dict) -> str:
    """The module of the API's operations by their ids."""
    operations = {
        operation["operationId"]: (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }
    ids = "\n".join(f'    "{name}",' for name in sorted(operations))
    table = "\n".join(
        f'    "{name}": Operation("{method}", "{path}"),' for name, (method, path) in sorted(operations.items())
    )
    return f'''"""The operations of the API, by their ids."""
# Written by scripts/python-client.py from openapi/openapi.json.

from __future__ import annotations

from typing import Literal, NamedTuple

OperationId = Literal[
{ids}
]


class Operation(NamedTuple):
    """How an operation is asked for."""

    method: str
    """The HTTP method."""
    path: str
    """The address, with ``{{name}}`` where a part of it goes."""


OPERATIONS: dict[OperationId, Operation] = {{
{table}
}}
'''


def write_types(document: dict) -> str:
    """The module of what the API takes and answers."""
    return TypesModule(document["components"]["schemas"]).write()


class TypesModule:
    """A class for each object of the document, and a name for everything else."""

    def __init__(self, schemas: dict) -> None:
        """A module of nothing yet, for these schemas."""
        self.schemas = schemas
        self.plain: dict[str, str] = {}
        self.derived: dict[str, str] = {}
        self.aliases: dict[str, str] = {}

    def write(self) -> str:
        """The text of the module."""
        for name, schema in self.schemas.items():
            self.add(python_name(name), schema)
        for name, (source, left_out, text) in ARGUMENTS.items():
            schema = dict(self.schemas[source], description=text, required=[])
            schema["properties"] = {key: value for key, value in schema["properties"].items() if key not in left_out}
            self.add(name, schema)
        parts = [self.aliases[name] for name in sorted(self.aliases)]
        classes = [self.plain[name] for name in sorted(self.plain)] + [
            self.derived[name] for name in sorted(self.derived)
        ]
        names = sorted([*self.aliases, *self.plain, *self.derived])
        listed = "\n".join(f'    "{name}",' for name in names if not name.startswith("_"))
        return (
            '"""What the API takes and answers, as dictionaries with known members.\n\n'
            "A server may answer more than this: within ``/v1`` changes only add.\n"
            '"""\n'
            "# Written by scripts/python-client.py from openapi/openapi.json.\n\n"
            "from __future__ import annotations\n\n"
            "from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union\n\n"
            "if TYPE_CHECKING:\n    from typing_extensions import NotRequired\n\n"
            f"__all__ = [\n{listed}\n]\n\n" + "\n".join(parts) + "\n\n\n" + "\n\n\n".join(classes) + "\n"
        )

    def add(self, name: str, schema: dict) -> None:
        """Writes down one schema under a name."""
        if "allOf" in schema:
            bases = [self.type_of(part, name) for part in schema["allOf"] if "$ref" in part]
            merged: dict = {"type": "object", "properties": {}, "required": []}
            for part in (part for part in schema["allOf"] if "$ref" not in part):
                merged["properties"].update(part.get("properties", {}))
                merged["required"] += part.get("required", [])
            merged["description"] = schema.get("description", "")
            self.derived[name] = self.make_class(name, merged, bases)
        elif "properties" in schema:
            self.plain[name] = self.make_class(name, schema, ["TypedDict"])
        else:
            self.aliases[name] = self.make_alias(name, schema)

    def make_alias(self, name: str, schema: dict) -> str:
        """A name for a type that is no object."""
        text = "\n".join(f"# {line}" for line in wrap(schema.get("description", ""), 2))
        expression = self.type_of(schema, name, quoted=True)
        line = f"{name} = {expression}"
        if len(line) > WIDTH and expression.startswith("Literal["):
            words = "\n".join(f"    {word}," for word in expression[len("Literal[") : -1].split(", "))
            line = f"{name} = Literal[\n{words}\n]"
        return f"{text}\n{line}" if text else line

    def make_class(self, name: str, schema: dict, bases: list[str]) -> str:
        """A class with a schema's members, and what must stand before it."""
        required = set(schema.get("required", []))
        before = ""
        # A word of the language cannot be written as a member of a class.
        reserved = {key: value for key, value in schema["properties"].items() if keyword.iskeyword(key)}
        if reserved:
            assert required >= set(reserved), f"{name} has an optional member that is a word of the language"
            words = ", ".join(f'"{key}": {self.type_of(value, name + key.title())}' for key, value in reserved.items())
            before = f'_{name}Words = TypedDict("_{name}Words", {{{words}}})\n\n\n'
            bases = [f"_{name}Words"] + [base for base in bases if base != "TypedDict"]
        total = "" if required or not schema["properties"] or bases != ["TypedDict"] else ", total=False"
        lines = [f"class {name}({', '.join(bases)}{total}):", *docstring(schema.get("description") or f"A {name}."), ""]
        for key, value in sorted(schema["properties"].items()):
            if key in reserved:
                continue
            written = self.type_of(value, name + "".join(word.title() for word in key.split("_")))
            if key not in required and not total:
                written = f"NotRequired[{written}]"
            lines.append(f"    {key}: {written}")
            described = value.get("description") or next(
                (part["description"] for part in value.get("oneOf", []) if "description" in part), ""
            )
            lines += docstring(described) if described else []
        return before + "\n".join(lines)

    def type_of(self, schema: dict, hint: str, quoted: bool = False) -> str:
        """The type of a value; an object that has no name of its own is named after `hint`."""
        if "$ref" in schema:
            name = python_name(schema["$ref"].rsplit("/", 1)[1])
            return f'"{name}"' if quoted else name
        for several in ("oneOf", "anyOf"):
            if several in schema:
                return union([self.type_of(part, hint, quoted) for part in schema[several]], quoted)
        if "enum" in schema:
            return f"Literal[{', '.join(json.dumps(word) for word in schema['enum'])}]"
        kinds = schema.get("type", [])
        if isinstance(kinds, list):
            return union([self.type_of(dict(schema, type=kind), hint, quoted) for kind in kinds], quoted) or "Any"
        if kinds == "array":
            return f"list[{self.type_of(schema.get('items') or {}, hint + 'Item', quoted)}]"
        if kinds == "object" or "allOf" in schema:
            if "properties" in schema or "allOf" in schema:
                self.add(hint, schema)
                return f'"{hint}"' if quoted else hint
            values = schema.get("additionalProperties")
            return f"dict[str, {self.type_of(values, hint + 'Value', quoted) if isinstance(values, dict) else 'Any'}]"
        return {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}.get(
            kinds, "Any"
        )


def python_name(name: str) -> str:
    """`Page_JobSummary` is `PageJobSummary`."""
    return name.replace("_", "")


def union(types: list[str], quoted: bool) -> str:
    """One of several types."""
    distinct = list(dict.fromkeys(types))
    if len(distinct) < 2:
        return "".join(distinct)
    return f"Union[{', '.join(distinct)}]" if quoted else " | ".join(distinct)


def wrap(text: str, indent: int) -> list[str]:
    """A text in lines that fit."""
    return textwrap.wrap(" ".join(text.split()), WIDTH - indent, break_long_words=False, break_on_hyphens=False)


def docstring(text: str) -> list[str]:
    """A text as the lines of a docstring within a class."""
    plain = " ".join(text.split()).replace('"""', "'''")
    # A docstring with a backslash is a raw one.
    start = '    r"""' if "\\" in plain else '    """'
    ends_badly = plain.endswith('"')
    if len(start) + len(plain) + 3 <= WIDTH and not ends_badly:
        return [f'{start}{plain}"""']
    lines = wrap(plain, 9)
    return [start + lines[0], *(f"    {line}" for line in lines[1:]), '    """']


if __name__ == "__main__":
    main()
