"""Makes the virtual environment with the pinned tools of tests/requirements.txt, or of the file that is named, and
prints its bin folder.

It lives under target/, is named after the pins, and is made by one process at a time. Two tries, each with a time
limit; the last line on standard error says why there is none.
"""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PINS = ROOT / (sys.argv[1] if len(sys.argv) > 1 else "tests/requirements.txt")
TRIES, LIMIT = 2, 180


def make(folder: pathlib.Path) -> None:
    """Builds the environment beside its place and moves it there whole."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=LIMIT, stdout=sys.stderr)
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--requirement", PINS], check=True, timeout=LIMIT, stdout=sys.stderr)
    (folder / "complete").touch()


def main() -> int:
    name = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    folder = target / f"tools-{name}"
    target.mkdir(parents=True, exist_ok=True)
    with open(target / "tools.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in reversed(range(TRIES)):
            if (folder / "complete").exists():
                break
            try:
                make(folder)
            except (subprocess.SubprocessError, OSError) as error:
                if left == 0:
                    print(
                        f"the tools of {PINS.relative_to(ROOT)} cannot be had: {error}".replace("\n", " "),
                        file=sys.stderr,
                    )
                    return 1
    print(folder / "bin")
    return 0


sys.exit(main())
