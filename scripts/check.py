#!/usr/bin/env python3
"""The checks that a change needs at once: format, clippy, and the quick tests of the rooms that changed and of those above them.

    scripts/check.py [--since COMMIT] [--list]

What changed is asked of git: against the last commit, or against COMMIT; files that git does not know yet count. Which room stands
above which is read from the imports in src/, so there is no list to keep. `make test` has the rest: this is a choice for the
minutes between two edits. A test that takes more than half a minute runs only where its own file changed.
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

# Test binaries of some seconds, by the rooms they test first of all: run where one of them changed or stands above a change.
QUICK = {
    "specs": ["types"],
    "openapi": ["api"],
    "vectors": ["metrics", "random", "simd", "backbone", "baseline", "denoise"],
    "seeds": ["ingest"],
    "ingest": ["ingest", "synth"],
    "import": ["import"],
    "reproduce": ["reproduce"],
}
# Those that start a database or the service, by the paths they test: run where one of these changed.
NEAR = {
    "store": ["src/store/", "migrations/", "tests/common/"],
    "embedded": ["src/store/embedded"],
    "worker": ["src/worker/"],
    "fsck": ["src/files/"],
    "judge": ["src/judge/", "src/cli/judge/"],
    "uploads": ["src/files/partial", "src/files/receive", "src/api/tus", "src/api/upload", "src/store/uploads"],
    "access": ["src/api/", "src/web/"],
    "web": ["src/web/"],
    "operations": ["src/api/", "src/telemetry", "tests/harness/"],
    "webhooks": ["src/webhooks/", "src/api/webhooks"],
    "extending": ["src/types/", "src/backbone/", "src/baseline/", "torch/src/", "docs/extending.md"],
    "openapi": ["openapi/"],
    "seeds": ["fuzz/"],
}
# Rooms whose change the digests of every method's results can see.
RESULTS = {"simd", "random", "metrics", "ingest", "backbone", "selection", "denoise", "baseline", "evaluate", "trainer"}
# Paths whose change the tests of torch/ can see.
TORCH = ["torch/", "src/backbone/", "src/denoise/search", "src/trainer/"]


def run(words):
    """Runs a command of the checks, says how long it took, and ends everything where it fails."""
    print(f"check: {' '.join(words)}", flush=True)
    start = time.monotonic()
    status = subprocess.run(words, cwd=ROOT).returncode
    print(f"check: {time.monotonic() - start:.0f} s", flush=True)
    if status != 0:
        sys.exit(status)


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")[:-1]


def find_changes(since):
    """Paths that differ from the commit, new and deleted ones too."""
    changed = git("diff", "--name-only", "--no-renames", "-z", since)
    return sorted({*changed, *git("ls-files", "--others", "--exclude-standard", "-z")})


def room_of(path):
    """`src/store/queue.rs` is of the room `store`, `src/random.rs` of `random`."""
    return Path(path).parts[1].removesuffix(".rs")


def imports_of(text):
    """The rooms that a source text names after `crate::`, alone or in braces."""
    text = re.sub(r"//.*", "", text)
    for start in (found.end() for found in re.finditer(r"\bcrate::", text)):
        if text[start] != "{":
            yield re.match(r"\w*", text[start:])[0]
            continue
        depth, is_head = 0, False
        for token in re.findall(r"[{},]|\w+", text[start:]):
            if token in "{}":
                depth += 1 if token == "{" else -1
                is_head = token == "{" and depth == 1
                if depth == 0:
                    break
            elif token == ",":
                is_head = depth == 1
            elif is_head:
                yield token
                is_head = False


def read_rooms():
    """Each room of src/ with the rooms it imports."""
    rooms = {room_of(path.relative_to(ROOT)): set() for path in SRC.iterdir() if path.stem not in ("lib", "main")}
    for path in SRC.rglob("*.rs"):
        room = room_of(path.relative_to(ROOT))
        if room in rooms:
            rooms[room] |= {name for name in imports_of(path.read_text()) if name in rooms and name != room}
    return rooms


def find_above(changed, rooms):
    """The rooms that import a changed one, directly or through others."""
    above = set(changed)
    while more := {room for room, imports in rooms.items() if room not in above and imports & above}:
        above |= more
    return above - changed


def test_of(path):
    """The test binary that a file below tests/ is of, or None where several share it."""
    name = Path(path).parts[1].removesuffix(".rs")
    is_binary = (ROOT / "tests" / f"{name}.rs").exists() or (ROOT / "tests" / name / "main.rs").exists()
    return name if is_binary else None


def choose_tests(paths, changed, above):
    """The test binaries to run, each with the reason."""
    chosen = {}
    for test, rooms in QUICK.items():
        if hit := [room for room in rooms if room in changed]:
            chosen[test] = f"{hit[0]} changed"
        elif hit := [room for room in rooms if room in above]:
            chosen[test] = f"{hit[0]} stands above a change"
    for path in paths:
        for test, prefixes in NEAR.items():
            if path.startswith(tuple(prefixes)):
                chosen.setdefault(test, path)
        is_test = path.startswith("tests/") and not path.startswith("tests/denoise/")
        if is_test and (test := test_of(path)):
            chosen.setdefault(test, path)
    return chosen


def choose_long_tests(paths, rooms):
    """Of the binary `denoise`, which takes minutes: the files that changed, and the digests, which are quick."""
    files = {Path(path).stem for path in paths if path.startswith("tests/denoise/")} - {"world"}
    return sorted(files | ({"golden"} if rooms & RESULTS else set()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--since", default="HEAD", metavar="COMMIT", help="what changed since then [default: the last commit]")
    parser.add_argument("--list", action="store_true", help="say what would run, and run nothing")
    args = parser.parse_args()

    paths = find_changes(args.since)
    rooms = read_rooms()
    changed = {room for path in paths if path.startswith("src/") and (room := room_of(path)) in rooms}
    above = find_above(changed, rooms)
    chosen = choose_tests(paths, changed, above)
    long_tests = choose_long_tests(paths, changed | above)
    torch = [path for path in paths if path.startswith(tuple(TORCH))]
    print(f"check: {len(paths)} files differ from {args.since}")
    if changed:
        print(f"check: rooms that changed: {' '.join(sorted(changed))}; above them: {' '.join(sorted(above)) or 'none'}")
    for test, reason in sorted(chosen.items()):
        print(f"check: test {test}, because {reason}")
    if long_tests:
        print(f"check: of the test denoise: {' '.join(long_tests)}")
    if torch:
        print(f"check: tests of torch/, because {torch[0]}")
    if args.list:
        return

    run(["cargo", "fmt", "--all", "--check"])
    if not any(path.endswith((".rs", ".toml", ".lock", ".sql")) for path in paths) and not chosen and not long_tests:
        print("check: nothing that is compiled changed")
        return
    run(["cargo", "clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"])
    if changed:
        filters = [f"{room}::" for room in sorted(changed | above)]
        run(["cargo", "test", "--locked", "--quiet", "--lib", "--", *filters])
    if chosen:
        run(["cargo", "test", "--locked", "--quiet", *(word for test in chosen for word in ("--test", test))])
    if long_tests:
        run(["cargo", "test", "--locked", "--quiet", "--test", "denoise", "--", *(f"{name}::" for name in long_tests)])
    if torch:
        run(["cargo", "test", "--locked", "--quiet", "--package", "autodenoise-torch", "--lib", "--test", "vectors"])


if __name__ == "__main__":
    main()
