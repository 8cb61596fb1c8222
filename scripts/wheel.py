#!/usr/bin/env python3
"""Builds the wheels: `autodenoise`, which is the program, and `autodenoise-torch`, the trainer on PyTorch's libtorch.

    scripts/wheel.py [autodenoise] [autodenoise-torch]      both where none is named

The wheels are in dist/, each with its SBOM beside it and their digests in SHA256SUMS. What builds them is from PyPI, in .wheel of this
folder, once: hatchling, auditwheel, and zig, which compiles C and links for the glibc of 2014. The same commit, crates and
compilers give the same bytes, in any folder.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from third_party import Part, bill_of_materials, licenses, linked_crates

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".wheel"
REQUIREMENTS = ROOT / "scripts" / "wheel-requirements.txt"
STAGE = ROOT / "target" / "wheel"
DIST = ROOT / "dist"
MACHINE = "x86_64"
TARGET = f"{MACHINE}-unknown-linux-gnu"
# The oldest glibc that Rust's own library runs on.
GLIBC = "2.17"
# What a wheel of the program may weigh.
MAX_BYTES = 25_000_000
# From the folder of autodenoise-torch within its package to the libraries of the PyTorch beside that package.
TORCH_RUNPATH = "$ORIGIN/../../torch/lib"


@dataclass(frozen=True)
class Wheel:
    # Of the distribution, of the cargo package and of the program.
    name: str
    # The Python project, from the root.
    project: str
    # The platforms that it is for, or None where what the program needs decides.
    tag: str | None
    # Libraries that it finds in the packages it depends on.
    libraries: frozenset[str] = frozenset()


WHEELS = {
    # The second name is what installers before 2020 know the first by.
    "autodenoise": Wheel("autodenoise", "python", "manylinux_2_17_x86_64.manylinux2014_x86_64"),
    "autodenoise-torch": Wheel(
        "autodenoise-torch", "python/torch", None, frozenset({"libtorch.so", "libtorch_cpu.so", "libc10.so"})
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", nargs="*", metavar="WHEEL", help=" or ".join(WHEELS))
    names = parser.parse_args().wheels or list(WHEELS)
    if unknown := [name for name in names if name not in WHEELS]:
        parser.error(f"there is no wheel {unknown[0]}, only {' and '.join(WHEELS)}")
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    install_tools()
    DIST.mkdir(exist_ok=True)
    for name in names:
        wheel = WHEELS[name]
        folder = stage(wheel, version, build_program(wheel))
        built = pack(wheel, folder, wheel.tag or f"linux_{MACHINE}")
        needed = needed_tag(wheel, built)
        if wheel.tag is None:
            built = pack(wheel, folder, needed)
        check(built, needed)
    sums = [f"{digest(path)}  {path.name}\n" for path in sorted(DIST.iterdir()) if path.name != "SHA256SUMS"]
    (DIST / "SHA256SUMS").write_text("".join(sums))
    print("".join(sums), end="")


def install_tools() -> None:
    """What builds the wheels, in an environment of its own, made anew where the list of it has changed."""
    wanted = REQUIREMENTS.read_text()
    installed = TOOLS / "installed.txt"
    if installed.is_file() and installed.read_text() == wanted:
        return
    say("installing hatchling, auditwheel and zig into .wheel (once, 550 MB)")
    shutil.rmtree(TOOLS, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(TOOLS)])
    run([str(TOOLS / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)])
    installed.write_text(wanted)


def build_program(wheel: Wheel) -> Path:
    """Compiles the program of a wheel, and returns it."""
    env = build_environment()
    cargo = ["--release", "--locked", "--package", wheel.name, "--bin", wheel.name]
    if wheel.tag is not None:
        say(f"building {wheel.name} for glibc {GLIBC}")
        run(["cargo", "zigbuild", *cargo, "--target", f"{TARGET}.{GLIBC}"], env=env)
    else:
        # libtorch is linked against GNU's C++ library, which zig has not: this one is built by the compilers of this machine.
        say(f"building {wheel.name} with the compilers of this machine")
        env["AUTODENOISE_TORCH_RUNPATH"] = TORCH_RUNPATH
        run(["cargo", "build", *cargo, "--target", TARGET], env=env)
    return ROOT / "target" / TARGET / "release" / wheel.name


def build_environment() -> dict[str, str]:
    """The environment of the compilers. No path of this machine gets into what they make: panics and assertions name files."""
    cargo_home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    sysroot = Path(output(["rustc", "--print", "sysroot"]).strip())
    renamed = {cargo_home: "/cargo", sysroot: "/rust", ROOT: "/autodenoise"}
    env = dict(os.environ)
    env["PATH"] = f"{TOOLS / 'bin'}:{env['PATH']}"
    env["SOURCE_DATE_EPOCH"] = str(epoch())
    env["RUSTFLAGS"] = " ".join(f"--remap-path-prefix={path}={name}" for path, name in renamed.items())
    env["CFLAGS"] = env["CXXFLAGS"] = " ".join(f"-ffile-prefix-map={path}={name}" for path, name in renamed.items())
    return env


def stage(wheel: Wheel, version: str, program: Path) -> Path:
    """A folder with what goes into the wheel and nothing else: the files that git knows, the program, licences and SBOM."""
    folder = STAGE / wheel.name
    shutil.rmtree(folder, ignore_errors=True)
    own = ROOT / wheel.project
    for name in output(["git", "ls-files", "-z", wheel.project]).split("\0"):
        path = ROOT / name
        nested = any(parent != own and (parent / "pyproject.toml").is_file() for parent in path.parents if own in parent.parents)
        if name and path.exists() and not nested:
            place = folder / path.relative_to(own)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
            place.chmod(0o644)
    inside = folder / "program"
    inside.mkdir()
    shutil.copy(program, inside / wheel.name)
    (inside / wheel.name).chmod(0o755)
    crates, edges = linked_crates(ROOT, wheel.name, TARGET)
    parts = other_parts(wheel)
    (folder / "LICENSE-THIRD-PARTY").write_text(licenses(ROOT, crates, parts))
    bill = bill_of_materials(wheel.name, version, digest(program), crates, parts, edges, epoch())
    (inside / f"{wheel.name}.cdx.json").write_text(bill)
    return folder


def other_parts(wheel: Wheel) -> list[Part]:
    """What is linked in beside crates: Rust's library, and zig's support of compiled code where zig links."""
    rust = output(["rustc", "--version"]).split()[1]
    docs = Path(output(["rustc", "--print", "sysroot"]).strip()) / "share/doc/rust/licenses"
    files = tuple(docs / f"{name}.txt" for name in ("Apache-2.0", "MIT", "LLVM-exception", "Unicode-3.0"))
    parts = [Part("rust-std", rust, "(MIT OR Apache-2.0) AND Unicode-3.0", files)]
    if wheel.tag is not None:
        zig = next(TOOLS.glob("lib/python3*/site-packages/ziglang"))
        version = re.search(r"^ziglang==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)[1]
        parts.append(Part("zig-compiler-rt", version, "MIT", (zig / "LICENSE",)))
        unwind = tuple(docs / f"{name}.txt" for name in ("Apache-2.0", "LLVM-exception"))
        parts.append(Part("llvm-libunwind", version, "Apache-2.0 WITH LLVM-exception", unwind))
    return parts


def pack(wheel: Wheel, folder: Path, tag: str) -> Path:
    """Makes the wheel of a staged folder for these platforms, and puts it into dist with its SBOM beside it."""
    (folder / "program" / "TAG").write_text(f"{tag}\n")
    made = folder / "dist"
    shutil.rmtree(made, ignore_errors=True)
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch())}
    run([str(TOOLS / "bin" / "hatchling"), "build", "--target", "wheel", "--directory", str(made)], folder=folder, env=env)
    (file,) = made.iterdir()
    distribution = wheel.name.replace("-", "_")
    for old in [*DIST.glob(f"{distribution}-[0-9]*.whl"), *DIST.glob(f"{distribution}-[0-9]*.cdx.json")]:
        old.unlink()
    built = DIST / file.name
    shutil.copy(file, built)
    shutil.copy(folder / "program" / f"{wheel.name}.cdx.json", DIST / f"{file.name.removesuffix('.whl')}.cdx.json")
    return built


def needed_tag(wheel: Wheel, built: Path) -> str:
    """The oldest platform that the program of a wheel runs on, by the versions of the symbols that it asks for."""
    found = json.loads(output([str(TOOLS / "bin" / "auditwheel"), "show", "--json", str(built)]))
    if missing := set(found["external_libs"]) - wheel.libraries:
        sys.exit(f"wheel: {built.name} needs libraries that not every machine has: {', '.join(sorted(missing))}")
    return found["sym_tag"]


def check(built: Path, needed: str) -> None:
    """Holds the wheel to its size, and the platforms in its name to what the program needs."""
    size = built.stat().st_size
    say(f"{built.name}: {size / 1e6:.1f} MB")
    if size > MAX_BYTES:
        sys.exit(f"wheel: {built.name} has {size} bytes, and {MAX_BYTES} are the most")
    if needed not in built.stem.rsplit("-", 1)[1].split("."):
        sys.exit(f"wheel: {built.name} claims more machines than its program runs on, which are those of {needed}")


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def epoch() -> int:
    """The time of the last commit, or SOURCE_DATE_EPOCH where that is set."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or output(["git", "log", "-1", "--format=%ct"]))


def say(what: str) -> None:
    print(f"wheel: {what}", file=sys.stderr)


def output(command: list[str]) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def run(command: list[str], folder: Path = ROOT, env: dict[str, str] | None = None) -> None:
    try:
        subprocess.run(command, cwd=folder, env=env, check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as error:
        sys.exit(f"wheel: {Path(command[0]).name} failed with {error.returncode}")


if __name__ == "__main__":
    main()
