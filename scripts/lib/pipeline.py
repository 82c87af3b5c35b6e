"""A repository with outputs worth caching, and runs of wf in it on a store that others share."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import repos
from measure import tail

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from peers import mono  # noqa: E402
from peers.native import Wf  # noqa: E402

# A run that takes longer (seconds) has deadlocked.
LIMIT = 180.0


class Pipeline:
    """One worktree: the made-up monorepo of scripts/peers/mono.py in small, with wf's configuration."""

    def __init__(self, wf: str, folder: pathlib.Path, store: pathlib.Path, count: int, log: pathlib.Path | None = None):
        self.wf, self.folder, self.store = wf, folder, store
        self.mono = mono.shape(count, files=5, size=1024)
        self.log = log or folder.parent / f"{folder.name}.log"

    def make(self) -> None:
        mono.make(self.folder, self.mono, Wf(self.wf).files(self.mono), self.log)
        self.log.write_text("")

    def clone(self, folder: pathlib.Path) -> "Pipeline":
        """The same commits in another worktree. Its tasks write to the same log."""
        repos.git(folder.parent, "clone", "--quiet", "--local", str(self.folder), str(folder))
        copy = Pipeline(self.wf, folder, self.store, 1, self.log)
        copy.mono = self.mono
        return copy

    def start(self, *words: str) -> subprocess.Popen:
        env = repos.ENV | {"HOME": str(self.folder.parent), "WF_CACHE_DIR": str(self.store)}
        said = tempfile.TemporaryFile()  # a pipe would fill up while nobody reads
        files = {"stdin": subprocess.DEVNULL, "stdout": said, "stderr": said}
        child = subprocess.Popen([self.wf, *words], cwd=self.folder, env=env, start_new_session=True, **files)
        child.said = said
        return child

    def run(self) -> subprocess.Popen:
        """Every step is looked up in the cache, whatever git says."""
        return self.start("run", "--no-smart-execution", "--jobs", "4")

    def ran(self) -> list[str]:
        """The tasks that ran since this was last asked."""
        lines = self.log.read_text().splitlines()
        self.log.write_text("")
        return lines

    def edit(self, package: str, text: str) -> None:
        mono.edit(self.folder, package, text)

    def forget_outputs(self, packages: list[str]) -> None:
        for package in packages:
            shutil.rmtree(self.folder / "packages" / package / "dist", ignore_errors=True)

    def complaints(self, child: subprocess.Popen, what: str) -> list[str]:
        """Waits for it: what went wrong, if anything."""
        try:
            child.wait(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return [f"{what} did not end within {LIMIT:g} s"]
        with child.said as said:
            return [f"{what} ended with {child.returncode}:\n{tail(said.fileno())}"] if child.returncode else []

    def verify(self) -> list[str]:
        """Every entry and every blob of the store."""
        return self.complaints(self.start("cache", "verify", "--json"), "`wf cache verify --json`")

    def wrong_outputs(self) -> list[str]:
        wrong = mono.wrong_outputs(self.folder, self.mono)
        return [f"wrong outputs in {self.folder}: {', '.join(wrong)}"] if wrong else []


def written(store: pathlib.Path) -> dict[str, tuple[int, int]]:
    """A picture of the store that changes with every file that comes, goes or grows, but for its lock."""
    seen = {}
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(store):
            if entry.name != "lock":
                note(seen, entry)
                if entry.is_dir(follow_symlinks=False):
                    for inner in os.scandir(entry):
                        note(seen, inner)
    return seen


def note(seen: dict[str, tuple[int, int]], entry: os.DirEntry) -> None:
    with contextlib.suppress(FileNotFoundError):
        stat = entry.stat(follow_symlinks=False)
        seen[entry.path] = (stat.st_mtime_ns, stat.st_size)


def adopt_orphans() -> None:
    """Children of children become ours when their parent dies, so that they can be waited for. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def orphans_left(limit: float = 30.0) -> bool:
    """Waits until no process of a killed run is left."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return False
    return True
