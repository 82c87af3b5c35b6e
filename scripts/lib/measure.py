"""Runs a command once and says what it took."""

import contextlib
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import Iterable, NamedTuple

import repos


class Took(NamedTuple):
    """What one run took; of several, the medians. CPU time is of the command and all it waited for."""

    wall: float
    cpu: float
    peak: float

    def __str__(self) -> str:
        return f"{self.wall * 1000:.1f} ms"

    def cpu_text(self) -> str:
        return f"{self.cpu * 1000:.1f} ms"


class Failed(Exception):
    """A command that should have passed did not: its time means nothing."""


def middle(runs: Iterable[Took]) -> Took:
    """The medians of several runs, each number for itself."""
    return Took(*map(statistics.median, zip(*runs)))


def once(
    command: list[str],
    folder: pathlib.Path,
    env: dict[str, str] | None = None,
    limit: float | None = None,
    output: int | None = None,
) -> Took:
    """One run. Its output is thrown away unless `output` is a file descriptor; its errors are told when it fails.

    What is left of it after `limit` seconds is killed with all of its session.
    """
    late = threading.Event()
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=repos.ENV | {"HOME": str(folder)} | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if output is None else output,
            stderr=errors if output is None else output,
            start_new_session=True,
        )

        def end() -> None:
            late.set()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)

        timer = threading.Timer(limit or 0, end)
        if limit:
            timer.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            end()
            raise
        finally:
            timer.cancel()
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0 or late.is_set():
            why = f"took longer than {limit:g} s" if late.is_set() else f"ended with {child.returncode}"
            said = tail(errors.fileno() if output is None else output)
            raise Failed(f"`{' '.join(command)}` {why}:\n{said}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Took(wall, usage.ru_utime + usage.ru_stime, peak)


def tail(file: int) -> str:
    """The last of what a command said."""
    size = os.fstat(file).st_size
    return os.pread(file, 2000, max(0, size - 2000)).decode(errors="replace")
