#!/usr/bin/env python3
"""Builds the wheels: `autodenoise`, which is the program, and `autodenoise-torch`, the trainer on PyTorch's libtorch.

    scripts/wheel.py [autodenoise] [autodenoise-torch]      both where none is named

The wheels are in dist/, each with its SBOM beside it and their digests in SHA256SUMS. What builds them is from PyPI, in
.wheel of this folder, once: hatchling, auditwheel, and zig, which compiles C and links for the glibc of 2012. The same
commit, crates and compilers give the same bytes, in any folder.
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
# The oldest glibc that Rust's own library runs on, and what installers call machines that have it; those of before 2021
# know the second name.
GLIBC = "2.17"
TAG = f"manylinux_2_17_{MACHINE}.manylinux2014_{MACHINE}"
# The machines that PyTorch 2.11 itself runs on. Of their GNU C++ library libtorch's interface takes what older ones lack.
TORCH_TAG = f"manylinux_2_28_{MACHINE}"
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
    # Libraries that it finds in the packages it depends on.
    libraries: frozenset[str] = frozenset()
    # The machines that it claims to run on.
    tag: str = TAG


WHEELS = {
    "autodenoise": Wheel("autodenoise", "python"),
    "autodenoise-torch": Wheel("autodenoise-torch", "python/torch", frozenset({"libtorch_cpu.so", "libc10.so"}), TORCH_TAG),
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
        check(wheel, pack(wheel, folder))
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
    """Compiles the program of a wheel, and returns it. Both programs take the same crates, which are compiled once."""
    say(f"building {wheel.name} for glibc {GLIBC}")
    env = build_environment()
    link: list[str] = []
    if wheel.libraries:
        env |= {"AUTODENOISE_TORCH_RUNPATH": TORCH_RUNPATH, **gnu_cxx(env["CXXFLAGS"])}
        link = ["--", f"-Lnative={openmp_folder()}", *(f"-Clink-arg={argument}" for argument in gnu_cxx_libraries())]
    cargo = ["--release", "--locked", "--package", wheel.name, "--bin", wheel.name, "--target", f"{TARGET}.{GLIBC}"]
    run(["cargo-zigbuild", "rustc", *cargo, *link], env=env)
    return ROOT / "target" / TARGET / "release" / wheel.name


def gnu_cxx(flags: str) -> dict[str, str]:
    """Variables by which zig compiles C++ with GNU's headers. libtorch is compiled with those, and zig's own are LLVM's:
    strings and exceptions of the two do not mix."""
    command = ["g++", "-E", "-v", "-x", "c++", os.devnull]
    asked = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    folders = re.findall(r"^ (\S*c\+\+\S*)$", asked.stderr, re.MULTILINE)
    # By -I, so that they come before C's headers, which they include as the next of the same name.
    headers = " ".join(f"-I{folder}" for folder in (ROOT / "torch" / "zig", *folders))
    suffix = TARGET.replace("-", "_")
    return {f"CXXFLAGS_{suffix}": f"{flags} -nostdinc++ {headers}", f"CXXSTDLIB_{suffix}": ""}


def gnu_cxx_libraries() -> list[str]:
    """GNU's C++ library, and the unwinder that it throws exceptions by: one process must not have two. Both are named
    by path, because zig takes their names for those of its own."""
    paths = (output(["g++", f"-print-file-name={name}"]).strip() for name in ("libstdc++.so.6", "libgcc_s.so.1"))
    # What they need of this machine's glibc is not asked for: they are there in the user's own version.
    return [*(os.path.realpath(path) for path in paths), "-Wl,--allow-shlib-undefined"]


def openmp_folder() -> Path:
    """A folder with GNU's OpenMP library alone. torch-sys has the linker look for it, though nothing of it is used, so that
    the program does not need it. In the library's own folder zig would find others that it must not take."""
    folder = STAGE / "openmp"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "libgomp.so").symlink_to(os.path.realpath(output(["g++", "-print-file-name=libgomp.so.1"]).strip()))
    return folder


def build_environment() -> dict[str, str]:
    """The environment of the compilers. Panics and assertions name files: those get the same names on every machine."""
    cargo_home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    renamed = {cargo_home: "/cargo", ROOT: "/autodenoise"}
    env = dict(os.environ)
    env["PATH"] = f"{TOOLS / 'bin'}:{env['PATH']}"
    env["SOURCE_DATE_EPOCH"] = str(epoch())
    env["RUSTFLAGS"] = " ".join(f"--remap-path-prefix={path}={name}" for path, name in renamed.items())
    env["CFLAGS"] = env["CXXFLAGS"] = " ".join(f"-ffile-prefix-map={path}={name}" for path, name in renamed.items())
    return env


def stage(wheel: Wheel, version: str, program: Path) -> Path:
    """A folder with what goes into the wheel alone: the files that git knows, the program, licences and SBOM."""
    folder = STAGE / wheel.name
    shutil.rmtree(folder, ignore_errors=True)
    own = ROOT / wheel.project
    for name in output(["git", "ls-files", "-z", wheel.project]).split("\0"):
        path = ROOT / name
        # Not the project of the other wheel, which lies within this one's folder.
        below = [parent for parent in path.parents if own in parent.parents]
        if name and path.exists() and not any((parent / "pyproject.toml").is_file() for parent in below):
            place = folder / path.relative_to(own)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
            place.chmod(0o644)
    inside = folder / "program"
    inside.mkdir()
    shutil.copy(program, inside / wheel.name)
    (inside / wheel.name).chmod(0o755)
    (inside / "TAG").write_text(f"{wheel.tag}\n")
    crates, edges = linked_crates(ROOT, wheel.name, TARGET)
    parts = other_parts(wheel)
    (folder / "LICENSE-THIRD-PARTY").write_text(licenses(ROOT, crates, parts))
    bill = bill_of_materials(wheel.name, version, digest(program), crates, parts, edges, epoch())
    (inside / f"{wheel.name}.cdx.json").write_text(bill)
    return folder


def other_parts(wheel: Wheel) -> list[Part]:
    """What is linked in beside crates: Rust's library, zig's support of compiled code, and LLVM's unwinder where GNU's
    is not asked for."""
    rust = output(["rustc", "--version"]).split()[1]
    docs = Path(output(["rustc", "--print", "sysroot"]).strip()) / "share/doc/rust/licenses"
    texts = {name: docs / f"{name}.txt" for name in ("Apache-2.0", "MIT", "LLVM-exception", "Unicode-3.0")}
    zig = next(TOOLS.glob("lib/python3*/site-packages/ziglang"))
    version = re.search(r"^ziglang==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)[1]
    parts = [
        Part("rust-std", rust, "(MIT OR Apache-2.0) AND Unicode-3.0", tuple(texts.values())),
        Part("zig-compiler-rt", version, "MIT", (zig / "LICENSE",)),
    ]
    if not wheel.libraries:
        llvm = (texts["Apache-2.0"], texts["LLVM-exception"])
        parts.append(Part("llvm-libunwind", f"zig-{version}", "Apache-2.0 WITH LLVM-exception", llvm))
    return parts


def pack(wheel: Wheel, folder: Path) -> Path:
    """Makes the wheel of a staged folder, and puts it into dist with its SBOM beside it."""
    made = folder / "dist"
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch())}
    hatchling = str(TOOLS / "bin" / "hatchling")
    run([hatchling, "build", "--target", "wheel", "--directory", str(made)], folder=folder, env=env)
    (file,) = made.iterdir()
    distribution = wheel.name.replace("-", "_")
    for old in [*DIST.glob(f"{distribution}-[0-9]*.whl"), *DIST.glob(f"{distribution}-[0-9]*.cdx.json")]:
        old.unlink()
    built = DIST / file.name
    shutil.copy(file, built)
    shutil.copy(folder / "program" / f"{wheel.name}.cdx.json", DIST / f"{file.name.removesuffix('.whl')}.cdx.json")
    return built


def check(wheel: Wheel, built: Path) -> None:
    """Holds a wheel to its size, and the platforms in its name to what its program asks of a machine."""
    size = built.stat().st_size
    say(f"{built.name}: {size / 1e6:.1f} MB")
    if size > MAX_BYTES:
        sys.exit(f"wheel: {built.name} has {size} bytes, and {MAX_BYTES} are the most")
    found = json.loads(output([str(TOOLS / "bin" / "auditwheel"), "show", "--json", str(built)]))
    if glibc_of(found["sym_tag"]) > glibc_of(wheel.tag):
        sys.exit(f"wheel: {built.name} claims more machines than its program runs on: {found['sym_tag']}")
    if missing := set(found["external_libs"]) - wheel.libraries:
        sys.exit(f"wheel: {built.name} needs libraries that not every machine has: {', '.join(sorted(missing))}")


def glibc_of(tag: str) -> tuple[int, int]:
    """The oldest glibc of the machines that a tag names; of a tag that names any Linux none is old enough."""
    named = re.match(r"manylinux_(\d+)_(\d+)_", tag)
    return (int(named[1]), int(named[2])) if named else (sys.maxsize, 0)


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
