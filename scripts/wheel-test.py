#!/usr/bin/env python3
"""Installs the wheels of dist/ into fresh environments, and runs them without this checkout and without a compiler.

    scripts/wheel-test.py [--python PYTHON]... [--root FOLDER]... [--torch FOLDER] [--quick]

The Pythons are those named; where neither these nor a root are, the oldest from 3.9 on and the newest of this machine. A
root is the folder of a bare system, as debootstrap makes it, with a python3 and its venv; there everything is run by
chroot, and pip finds its packages in a folder. With --torch a model is trained by autodenoise-torch too, on the packages torch and
nvidia of a folder. --quick leaves out the verdict on the demo's table.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
# From the installer's start to the verdict.
MAX_SECONDS = 120
# The demo's table, and its job without the service.
SYNTH = (
    "synth clicks.csv --users 300 --items 300 --rows 72000 --seed 1 --plant inverted:item:0.1 --plant random:user:0.15"
)
DENOISE = (
    "denoise clicks.csv -o clean.csv --label click --split-column split --time timestamp --backbone fm --seed 42 "
    "--if-refused all --report report.html --results results --log warn"
)
VERDICTS = ("certified", "not_better", "inconclusive")


@dataclass(frozen=True)
class Place:
    """Where a fresh environment is made: this machine, or a bare root."""

    name: str
    # As it is called there.
    python: str
    # A new folder, as it is called here.
    folder: Path
    root: Path | None = None

    @property
    def inside(self) -> str:
        """The new folder, as it is called there."""
        return str(self.folder if self.root is None else "/" / self.folder.relative_to(self.root))

    def run(self, *command: str, path: str | None = None, ok: tuple[int, ...] = (0,)) -> str:
        """Runs a command in the folder with next to no variables; its output. PATH is the environment's scripts."""
        env = {"PATH": path or f"{self.inside}/env/bin", "HOME": self.inside, "LC_ALL": "C.UTF-8"}
        # pip's own settings of this machine say where packages are.
        env |= {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_CERT", "HTTPS_PROXY"))}
        program = shutil.which(command[0], path=env["PATH"]) if self.root is None else command[0]
        start: list[str] = [program or command[0], *command[1:]]
        if self.root is not None:
            # With a /proc of its own, which goes with the process; programs find themselves there.
            [mount, chroot] = [shutil.which(name) or name for name in ("mount", "chroot")]
            inside = f'{mount} -t proc proc "$0/proc" && exec {chroot} "$0" /usr/bin/env -C "$@"'
            alone = [shutil.which("unshare") or "unshare", "--mount", "--pid", "--fork", "/bin/sh", "-c", inside]
            start = [*alone, str(self.root), self.inside, *start]
            env["PATH"] = f"{env['PATH']}:/usr/bin:/bin"
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run(start, cwd=self.folder, env=env, **pipes)
        if done.returncode not in ok:
            sys.exit(f"{self.name}: {' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
        return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--root", action="append", default=[], type=Path)
    parser.add_argument("--torch", type=Path, help="folder of the packages torch and nvidia")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    wheel = only_wheel("autodenoise")
    pythons = args.python or ([] if args.root else oldest_and_newest())
    for number, python in enumerate(pythons):
        with tempfile.TemporaryDirectory(prefix="autodenoise-wheel.") as folder:
            Path(folder).chmod(0o755)
            place = Place(f"Python {version_of(python)}", python, Path(folder))
            check(place, wheel, args.quick)
            if number == 0:
                check_uvx(place, wheel)
            if args.torch is not None:
                check_torch(place, args.torch.resolve())
    for root in args.root:
        with tempfile.TemporaryDirectory(prefix="autodenoise-wheel.", dir=root / "tmp") as folder:
            Path(folder).chmod(0o755)
            name = re.search(r'PRETTY_NAME="(.*)"', (root / "etc/os-release").read_text())[1]
            check(Place(f"{name} in {root.name}", "/usr/bin/python3", Path(folder), root), wheel, args.quick)
    print("wheel-test: all passed")


def check(place: Place, wheel: Path, quick: bool) -> None:
    """Installs the wheel, and runs the program in the ways that it can be started, up to a verdict."""
    packages = ["--no-index", "--find-links", "house"] if place.root else []
    if place.root:
        fetch_dependencies(place, wheel)
    shutil.copy(wheel, place.folder)
    place.run(place.python, "-m", "venv", "env", path="/usr/bin:/bin")
    start = time.monotonic()
    place.run("env/bin/python", "-m", "pip", "install", "--quiet", *packages, f"./{wheel.name}")
    installed = time.monotonic() - start
    for tool in ("cc", "gcc", "clang", "cargo", "rustc"):
        if place.root is None and shutil.which(tool, path=f"{place.inside}/env/bin") is not None:
            sys.exit(f"{place.name}: {tool} is on PATH")

    version = place.run("autodenoise", "--version").strip()
    same(place, version, place.run("env/bin/python", "-m", "autodenoise", "--version").strip())
    code = "from autodenoise._program import find_program; print(find_program())"
    same(place, place.run("env/bin/python", "-c", code).strip(), f"{place.inside}/env/bin/autodenoise")
    check_contents(place)
    print(f"{place.name}: {version}, installed in {installed:.1f} s")
    if not quick:
        place.run("autodenoise", *SYNTH.split())
        place.run("autodenoise", *DENOISE.split())
        seconds = time.monotonic() - start
        verdict = json.loads((place.folder / "results/report.json").read_text())["verdict"]
        outcome = verdict if isinstance(verdict, str) else verdict["verdict"]
        print(f"{place.name}: {outcome}, {seconds:.0f} s after the installer's start")
        if outcome not in VERDICTS:
            sys.exit(f"{place.name}: {outcome} is no verdict")
        if seconds > MAX_SECONDS:
            sys.exit(f"{place.name}: {MAX_SECONDS} s are the most")
    check_serve(place)


def check_contents(place: Place) -> None:
    """The licences and the bill of materials are installed with it."""
    code = (
        "import importlib.metadata as m, json; d = m.distribution('autodenoise'); names = [f.name for f in d.files]; "
        "bom = next(f for f in d.files if f.name.endswith('.cdx.json')); "
        "print(json.dumps([names, len(json.loads(bom.locate().read_text())['components'])]))"
    )
    names, components = json.loads(place.run("env/bin/python", "-c", code))
    for name in ("LICENSE-APACHE", "LICENSE-MIT", "LICENSE-THIRD-PARTY"):
        if name not in names:
            sys.exit(f"{place.name}: {name} is not installed")
    if components < 100:
        sys.exit(f"{place.name}: the bill of materials has {components} components")


def check_serve(place: Place) -> None:
    """Without a PostgreSQL the service says what to install. Where there is one, other tests run it."""
    if place.root is not None and not list(place.root.glob("usr/lib/postgresql/*/bin/initdb")):
        said = place.run("autodenoise", "serve", "--listen", "127.0.0.1:0", "--data-dir", "data", ok=(1,))
        if "no PostgreSQL found: install it" not in said:
            sys.exit(f"{place.name}: serve without PostgreSQL says: {said}")


def check_uvx(place: Place, wheel: Path) -> None:
    """`uvx` runs the program straight from the wheel."""
    place.run(place.python, "-m", "venv", "uv", path="/usr/bin:/bin")
    place.run("uv/bin/python", "-m", "pip", "install", "--quiet", "uv")
    said = place.run("uv/bin/uvx", "--python", place.python, "--from", f"./{wheel.name}", "autodenoise", "--version")
    print(f"{place.name}: uvx says {said.strip().splitlines()[-1]}")


def check_torch(place: Place, packages: Path) -> None:
    """The second wheel beside the first: its program finds the libtorch beside it, and trains what the first cannot."""
    wheel = only_wheel("autodenoise_torch")
    place.run("env/bin/python", "-m", "pip", "install", "--quiet", "--no-deps", str(wheel))
    said = place.run("autodenoise-torch", "probe", ok=(1,))
    if "pip install 'torch==2.11.*'" not in said:
        sys.exit(f"{place.name}: without PyTorch autodenoise-torch says: {said}")
    (site,) = (place.folder / "env/lib").glob("python3*/site-packages")
    for package in ("torch", "nvidia"):
        (site / package).symlink_to(packages / package)
    probe = json.loads(place.run("autodenoise-torch", "probe"))
    print(f"{place.name}: autodenoise-torch {probe['version']} on libtorch {probe['libtorch']}")
    place.run("autodenoise", "synth", "small.csv", "--users", "60", "--items", "60", "--rows", "3000", "--seed", "1")
    place.run(
        "autodenoise", "denoise", "small.csv", "-o", "small-clean.csv", "--label", "click", "--split-column", "split",
        "--method", "random_drop", "--backbone", "afm", "--device", "cpu", "--no-certify", "--log", "warn",
        "--preset", "paper", "-O", "retrain_max_epoch=1",
    )  # fmt: skip
    print(f"{place.name}: autodenoise trained afm by it")


def fetch_dependencies(place: Place, wheel: Path) -> None:
    """What the wheel depends on, for the root's Python, because a bare root has no network."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = place.run(place.python, "-c", code, path="/usr/bin:/bin").strip()
    platforms = [f"--platform=manylinux{tag}_x86_64" for tag in ("2014", "_2_17", "_2_27", "_2_28")]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    command += [f"--python-version={version}", *platforms, "--dest", str(place.folder / "house"), str(wheel)]
    subprocess.run(command, check=True)


def only_wheel(distribution: str) -> Path:
    found = list(DIST.glob(f"{distribution}-[0-9]*.whl"))
    if len(found) != 1:
        sys.exit(f"dist/ holds {len(found)} wheels of {distribution}: run `make wheel`")
    return found[0]


def oldest_and_newest() -> list[str]:
    """Of the Pythons that this machine has for everyone, and of those that pyenv keeps, from 3.9 on."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = list(pyenv.glob("3.*/bin/python3"))
    for folder in ("/usr/local/bin", "/usr/bin"):
        found += [path for path in Path(folder).glob("python3.*") if re.fullmatch(r"python3\.\d+", path.name)]
    versions = {version_of(str(path)): str(path) for path in found}
    usable = sorted((tuple(map(int, version.split("."))), python) for version, python in versions.items())
    usable = [python for version, python in usable if version >= (3, 9)]
    return [usable[0], usable[-1]] if len(usable) > 1 else usable


def version_of(python: str) -> str:
    said = subprocess.run([python, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return said.split()[1].rstrip("+")


def same(place: Place, found: str, wanted: str) -> None:
    if found != wanted:
        sys.exit(f"{place.name}: {found!r} where {wanted!r} was expected")


if __name__ == "__main__":
    main()
