"""One made-up monorepo for every tool: packages in layers, three tasks each, and what the tasks must have made.

The tasks are shell scripts that read what they declare and nothing else. Each appends a line to a log outside the
repository, so that nobody has to believe a tool's own word for what ran. `build` reads the `dist` of the packages it
depends on: an edit really travels upwards.
"""

import hashlib
import os
import pathlib
import random
import sys
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import repos  # noqa: E402

TASKS = ("lint", "build", "test")
# `src/depends` names the packages whose outputs `build` reads: commands are the same everywhere.
SCRIPTS = {
    "lint": 'cat src/* | sha256sum >/dev/null\necho "${PWD##*/}:lint" >>LOG\n',
    "build": (
        "[ -d dist ] || mkdir dist\n"
        "read -r depends <src/depends || :\n"
        'made=; for d in $depends; do made="$made ../$d/dist/out.txt"; done\n'
        'cat src/* $made | sha256sum >dist/out.txt\necho "${PWD##*/}:build" >>LOG\n'
    ),
    "test": 'cat src/* dist/out.txt | sha256sum >/dev/null\necho "${PWD##*/}:test" >>LOG\n',
}
EDITED = "f00.txt"
IGNORED = ["dist/", "node_modules", ".turbo/", ".nx/", ".moon/cache/", ".task/", ".stamps/", ".ninja_*", ".wf/"]


class Mono(NamedTuple):
    """Its shape. Nothing here knows of a tool."""

    depends: dict[str, list[str]]
    files: int = 20
    size: int = 2048

    @property
    def packages(self) -> list[str]:
        return list(self.depends)

    def above(self, package: str) -> set[str]:
        """All packages that depend on this one, over however many others."""
        found, todo = set(), [package]
        while todo:
            below = todo.pop()
            new = {p for p, needs in self.depends.items() if below in needs} - found
            found |= new
            todo += new
        return found

    def leaf(self) -> str:
        """A package on which none depends."""
        return self.packages[-1]

    def root(self) -> str:
        """The package on which most depend."""
        return max(self.packages, key=lambda p: (len(self.above(p)), p))

    def middle(self) -> str:
        return self.packages[len(self.packages) // 2]

    def tasks_after(self, edited: str | None) -> int:
        """How many tasks an edit of one package makes run: its three, and `build` and `test` of all above."""
        return 3 + 2 * len(self.above(edited)) if edited else 0


def shape(count: int, files: int = 20, size: int = 2048) -> Mono:
    """`count` packages in layers; each depends on one to three of the two layers below it."""
    chance = random.Random(count)
    layers = 3 if count <= 10 else 5 if count <= 100 else 8
    names = [f"p{n:04}" for n in range(count)]
    layer = {name: n * layers // count for n, name in enumerate(names)}
    depends = {}
    for name in names:
        below = [other for other in names if layer[name] - 2 <= layer[other] < layer[name]]
        depends[name] = sorted(chance.sample(below, min(len(below), chance.randint(1, 3))))
    return Mono(depends, files, size)


def sources(mono: Mono) -> dict[str, str]:
    """What the packages hold, the same for every tool: words, so that it compresses as text does."""
    chance = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 10))) for _ in range(4000)]
    files = {}
    for package, needs in mono.depends.items():
        files[f"packages/{package}/src/depends"] = " ".join(needs) + "\n"
        for n in range(mono.files - 1):
            lines = [f"{package} {n}"]
            while sum(map(len, lines)) < mono.size:
                lines.append(" ".join(chance.choices(words, k=11)))
            files[f"packages/{package}/src/f{n:02}.txt"] = "\n".join(lines) + "\n"
    return files


def make(folder: pathlib.Path, mono: Mono, config: dict[str, str], log: pathlib.Path) -> None:
    """The repository of one tool: two commits on main; the second edits one file of the middle package."""
    files = sources(mono) | config
    for task, text in SCRIPTS.items():
        files[f"scripts/{task}.sh"] = text.replace("LOG", str(log))
    repos.commit(folder, files | {".gitignore": "\n".join(IGNORED) + "\n"})
    repos.git(folder, "checkout", "--quiet", "-B", "main")
    edit(folder, mono.middle(), "the second commit")
    who = ["-c", "user.name=Bench", "-c", "user.email=bench@example.invalid"]
    repos.git(folder, *who, "commit", "--quiet", "--all", "--message", "one file")
    repos.settle(folder)


def edit(folder: pathlib.Path, package: str, text: str) -> None:
    with open(folder / "packages" / package / "src" / EDITED, "a") as file:
        file.write(text + "\n")


def branch(folder: pathlib.Path) -> None:
    """Undoes the edits and puts the second commit on a branch of its own, as a change to ask about."""
    repos.git(folder, "checkout", "--quiet", "--", "packages")
    repos.git(folder, "checkout", "--quiet", "-B", "work")
    repos.git(folder, "branch", "--quiet", "--force", "main", "HEAD~1")
    repos.settle(folder)


def wrong_outputs(folder: pathlib.Path, mono: Mono) -> list[str]:
    """Packages whose `dist/out.txt` is not what its sources and those below it make."""
    made: dict[str, bytes] = {}
    wrong = []
    for package, needs in mono.depends.items():  # the layers are in order
        home = os.path.join(folder, "packages", package)
        digest = hashlib.sha256()
        for name in sorted(os.listdir(f"{home}/src")):
            with open(f"{home}/src/{name}", "rb") as file:
                digest.update(file.read())
        for below in needs:
            digest.update(made[below])
        made[package] = digest.hexdigest().encode() + b"  -\n"
        try:
            with open(f"{home}/dist/out.txt", "rb") as file:
                right = file.read() == made[package]
        except OSError:
            right = False
        if not right:
            wrong.append(package)
    return wrong
