"""Installs the peers from their packages, each apart, under target/: nothing global, two tries, each with a time limit."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Iterator

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
TRIES, LIMIT = 2, 300


class Unavailable(Exception):
    """A peer cannot be had here; says why."""


@contextlib.contextmanager
def place(name: str, pins: bytes) -> Iterator[tuple[pathlib.Path, bool]]:
    """A folder named after the pins, and whether it is complete; one process at a time."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "peers"
    target.mkdir(parents=True, exist_ok=True)
    folder = target / f"{name}-{hashlib.sha256(pins).hexdigest()[:16]}"
    with open(target / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder, (folder / "complete").exists()


def attempt(name: str, folder: pathlib.Path, fill) -> None:
    """Fills the folder; the second failure is the peer's."""
    for left in reversed(range(TRIES)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            fill()
        except (subprocess.SubprocessError, OSError) as error:
            said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
            if left == 0:
                raise Unavailable(f"{name} cannot be installed: {' '.join(said[-3:]) or error}") from error
        else:
            (folder / "complete").touch()
            return


def npm(name: str) -> pathlib.Path:
    """The `node_modules` of scripts/peers/npm/NAME, by its lock file."""
    if not shutil.which("npm"):
        raise Unavailable("no npm")
    source = HERE / "npm" / name
    files = [source / "package.json", source / "package-lock.json"]
    with place(name, b"".join(file.read_bytes() for file in files)) as (folder, complete):

        def fill() -> None:
            for file in files:
                shutil.copy(file, folder)
            # No scripts of packages: what they would do is choose a binary, which we do ourselves.
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
            subprocess.run(command, cwd=folder, check=True, timeout=LIMIT, capture_output=True)

        if not complete:
            attempt(name, folder, fill)
    return folder / "node_modules"


def python(package: str) -> pathlib.Path:
    """The `bin` folder of a virtual environment with this one package, as scripts/peers/requirements.txt pins it."""
    lines = (HERE / "requirements.txt").read_text().splitlines()
    pin = next(line for line in lines if line.startswith(f"{package}=="))
    with place(package, f"{pin} {sys.version}".encode()) as (folder, complete):

        def fill() -> None:
            run = lambda *words: subprocess.run(words, check=True, timeout=LIMIT, capture_output=True)
            run(sys.executable, "-m", "venv", str(folder))
            quiet = ["--quiet", "--disable-pip-version-check", "--no-deps"]
            run(str(folder / "bin/python"), "-m", "pip", "install", *quiet, pin)

        if not complete:
            attempt(package, folder, fill)
    return folder / "bin"


def binary(modules: pathlib.Path, pattern: str) -> str:
    """The program for this machine among those that npm installed."""
    for found in sorted(modules.glob(pattern)):
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            subprocess.run([found, "--version"], check=True, timeout=60, capture_output=True)
            return str(found)
    raise Unavailable(f"no program for this machine in {pattern}")
