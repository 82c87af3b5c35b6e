"""The wf that is measured: built if none is given, and installed.

It is copied, as installing does: what a linker wrote lies in the page cache in pieces, and starts slower than what people have
on their machines (100 more page faults in a start of 500 were seen), while the peers come from packages.
"""

import atexit
import os
import pathlib
import shutil
import subprocess
import tempfile

import results


def installed(given: str | pathlib.Path | None) -> str:
    """The path of a copy, which goes when the script ends."""
    wf = given
    if not wf:
        subprocess.run(["cargo", "build", "--locked", "--profile", "bench-dev"], cwd=results.ROOT, check=True)
        wf = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", results.ROOT / "target")) / "bench-dev/wf"
    place = tempfile.mkdtemp(prefix="wf-installed-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return shutil.copy(wf, pathlib.Path(place).resolve() / "wf")


def which(given: object) -> str:
    """Which one it is, for the head of a table."""
    return "given binary" if given else "profile bench-dev"
