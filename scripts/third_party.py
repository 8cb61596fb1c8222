"""What is linked into a program: the licences of it, as one text, and a software bill of materials (CycloneDX 1.6).

Both depend on Cargo.lock, the crates' files and the compilers alone, so that two builds give the same bytes.
"""

import datetime
import json
import re
import subprocess
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LICENSE_FILE = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)([-_.].*)?", re.IGNORECASE)
NOT_TEXT = {".rs", ".py", ".c", ".h", ".go", ".html", ".json", ".toml"}
# Crates that come without the text of their licence, as no crate of their repository has it; this repository does.
TEXT_OF = {"flatbuffers": "LICENSE-APACHE", "npyz": "LICENSE-MIT", "safetensors": "LICENSE-APACHE"}
OWN_LICENSE = "Apache-2.0 OR MIT"
# zstd may be had under BSD's licence or under this one. We take the former.
NOT_TAKEN = "GNU GENERAL PUBLIC LICENSE"


@dataclass(frozen=True)
class Crate:
    name: str
    version: str
    folder: Path
    # An SPDX expression.
    license: str
    repository: str
    authors: tuple[str, ...]
    # SHA-256 of the package as the registry has it; None of packages of this repository.
    checksum: str | None

    @property
    def purl(self) -> str:
        return f"pkg:cargo/{self.name}@{self.version}"

    @cached_property
    def license_texts(self) -> list[tuple[str, str]]:
        """Path and text of each licence file: the crate's own, and those of C code that it contains."""
        texts = []
        for path in sorted(self.folder.rglob("*")):
            named = LICENSE_FILE.fullmatch(path.name) or path.parent.name == "LICENSES"
            if named and path.is_file() and path.suffix not in NOT_TEXT:
                text = tidy(path.read_text(errors="replace"))
                if not text.lstrip().startswith(NOT_TAKEN):
                    texts.append((path.relative_to(self.folder).as_posix(), text))
        return texts


@dataclass(frozen=True)
class Part:
    """What is linked in and is no crate: a name, its version, its licence and the files with the text of that."""

    name: str
    version: str
    license: str
    files: tuple[Path, ...]

    @property
    def purl(self) -> str:
        return f"pkg:generic/{self.name}@{self.version}"


def linked_crates(root: Path, package: str, target: str) -> tuple[list[Crate], dict[str, list[str]]]:
    """The crates that are linked into a package's program, sorted, and what each depends on, by purl."""
    cargo = ["cargo", "tree", "--locked", "--package", package, "--edges", "normal,no-proc-macro", "--target", target]
    tree = run([*cargo, "--prefix", "depth", "--no-dedupe", "--format", " {p}"], root)
    metadata = json.loads(run(["cargo", "metadata", "--locked", "--format-version", "1"], root))
    lock = tomllib.loads((root / "Cargo.lock").read_text())
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in lock["package"]}
    described = {(entry["name"], entry["version"]): entry for entry in metadata["packages"]}

    crates: dict[str, Crate] = {}
    edges: dict[str, set[str]] = defaultdict(set)
    above: list[str] = []
    for line in tree.splitlines():
        depth, name, version = line.split()[:3]
        key = (name, version.removeprefix("v"))
        entry = described[key]
        crate = Crate(
            name=name,
            version=key[1],
            folder=Path(entry["manifest_path"]).parent,
            license=re.sub(r"\s*/\s*", " OR ", entry["license"] or ""),
            repository=entry["repository"] or "",
            authors=tuple(entry["authors"]),
            checksum=checksums[key],
        )
        crates[crate.purl] = crate
        del above[int(depth) :]
        if above:
            edges[above[-1]].add(crate.purl)
        above.append(crate.purl)
    ordered = sorted(crates.values(), key=lambda crate: (crate.name, crate.version))
    return ordered, {purl: sorted(edges[purl]) for purl in sorted(crates)}


def licenses(root: Path, crates: list[Crate], parts: list[Part]) -> str:
    """The text of every licence once, after the names of what it is of."""
    texts: dict[str, list[str]] = defaultdict(list)
    by_repository = {crate.repository: crate for crate in crates if crate.repository and crate.license_texts}
    foreign = [crate for crate in crates if crate.checksum is not None]
    for crate in foreign:
        label = f"{crate.name} {crate.version} ({crate.license})"
        found = crate.license_texts
        if not found and crate.repository in by_repository:
            found = by_repository[crate.repository].license_texts
        if not found and crate.name in TEXT_OF:
            holder = ", ".join(crate.authors) or f"the authors of {crate.name}"
            text = (root / TEXT_OF[crate.name]).read_text()
            found = [("", tidy(re.sub(r"Copyright \(c\).*", f"Copyright (c) {holder}", text, count=1)))]
        if not found:
            raise SystemExit(f"the text of the licence of {label} is nowhere in it: {crate.folder}")
        for path, text in found:
            texts[text].append(label if "/" not in path else f"{label}: {path}")
    for part in parts:
        for path in part.files:
            texts[tidy(path.read_text(errors="replace"))].append(f"{part.name} {part.version} ({part.license})")
    rule = "=" * 100
    blocks = [f"{rule}\n" + "\n".join(sorted(owners)) + f"\n{rule}\n\n{text}\n" for text, owners in texts.items()]
    head = (
        f"The program contains {len(foreign)} crates and {len(parts)} other parts that have licences of their own. "
        "Each text stands below what it is the licence of.\n"
    )
    return head + "\n" + "\n".join(sorted(blocks))


def bill_of_materials(
    name: str,
    version: str,
    program: str,
    crates: list[Crate],
    parts: list[Part],
    edges: dict[str, list[str]],
    epoch: int,
) -> str:
    """CycloneDX 1.6 as JSON. `program` is the SHA-256 of the program, `epoch` the time that the document names."""
    main = f"pkg:pypi/{name}@{version}"
    package = next(crate for crate in crates if crate.name == name)

    def component(purl: str, what: Crate | Part) -> dict:
        entry = {"type": "library", "bom-ref": purl, "name": what.name, "version": what.version, "purl": purl}
        entry["licenses"] = [{"expression": what.license}]
        if isinstance(what, Crate) and what.checksum:
            entry["hashes"] = [{"alg": "SHA-256", "content": what.checksum}]
        if isinstance(what, Crate) and what.repository:
            entry["externalReferences"] = [{"type": "vcs", "url": what.repository}]
        return entry

    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lifecycles": [{"phase": "build"}],
            "component": {
                "type": "application",
                "bom-ref": main,
                "name": name,
                "version": version,
                "purl": main,
                "licenses": [{"expression": OWN_LICENSE}],
                "hashes": [{"alg": "SHA-256", "content": program}],
            },
        },
        "components": [component(what.purl, what) for what in (*crates, *parts)],
        "dependencies": [
            {"ref": main, "dependsOn": [what.purl for what in (package, *parts)]},
            *({"ref": purl, "dependsOn": needs} for purl, needs in edges.items()),
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def tidy(text: str) -> str:
    """The same text whoever saved it: no carriage returns, no space at the ends."""
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n"))


def run(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
