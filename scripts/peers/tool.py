"""What every tool of the comparison answers."""

import json
import os
import pathlib
import re
import subprocess

import repos
from peers.mono import Mono


class Tool:
    name = ""
    # What a cold run must not find, beside outputs: globs from the root.
    caches: list[str] = []
    # Brings deleted outputs back without running the tasks.
    restores = True
    # Runs in every round, however long it takes: targets are about these.
    yardstick = False
    # Where the program is, once `install` has found it.
    program = ""

    def install(self) -> None:
        """Finds or installs the program; raises `Unavailable`."""

    def prepare(self, folder: pathlib.Path) -> None:
        """What the repository needs beside committed files."""

    def files(self, mono: Mono) -> dict[str, str]:
        """Its configuration."""
        raise NotImplementedError

    def run(self, jobs: int) -> list[str]:
        """All tasks of all packages."""
        raise NotImplementedError

    def affected(self) -> list[str] | None:
        """Says what the last commit affects, and runs nothing."""
        return None

    def affected_packages(self, said: str) -> set[str]:
        """The packages that it named."""
        return set(re.findall(r"\bp\d{4}\b", said))

    def env(self) -> dict[str, str]:
        return {}

    def stop(self, folder: pathlib.Path) -> None:
        """Ends its daemon."""

    def version_command(self) -> list[str] | None:
        """What does nothing but start it."""
        return [self.program, "--version"]

    def version(self) -> str:
        env = repos.ENV | {"HOME": os.devnull} | self.env()
        done = subprocess.run(self.version_command() or [], env=env, capture_output=True, text=True, timeout=60)
        found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout)
        return found[0] if found else "of unknown version"


def pretty(document: object) -> str:
    return json.dumps(document, indent=1) + "\n"


def link_modules(folder: pathlib.Path, modules: pathlib.Path) -> None:
    """A folder `node_modules` of the repository's own, since caches go there, with links in it."""
    (folder / "node_modules").mkdir()
    for entry in modules.iterdir():
        (folder / "node_modules" / entry.name).symlink_to(entry)
