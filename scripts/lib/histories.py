"""Recorded histories as real repositories: who changed which file, with made-up contents."""

import gzip
import json
import pathlib

import repos

LINES = 20


def read(file: pathlib.Path, limit: int | None = None) -> list[dict]:
    """The last commits of a history, oldest first."""
    with gzip.open(file, "rt") as lines:
        return [json.loads(line) for line in lines][-(limit or 10**9) :]


class Contents:
    """Made-up contents of each path: twenty lines, some of which change with every modification."""

    def __init__(self):
        self.lines: dict[str, list[str]] = {}
        self.edits = 0

    def edit(self, path: str, share: float = 0.15) -> None:
        lines = self.lines.setdefault(path, [f"{path} {n}" for n in range(LINES)])
        for _ in range(max(1, round(share * LINES))):
            self.edits += 1
            lines[self.edits % len(lines)] = f"edit {self.edits}"

    def arrive(self, lines: list[str], path: str, similarity: int) -> None:
        self.lines[path] = lines
        if similarity < 100:
            self.edit(path, (100 - similarity) / 100)

    def store(self, mode: str, path: str) -> bytes:
        return b"M %s inline %s\n" % (mode.encode(), repos.quoted(path)) + repos.blob(
            "\n".join(self.lines[path]).encode()
        )


def stream(history: list[dict], config: str):
    """The history for `git fast-import`: one commit with everything that is there at first, then commit by commit."""
    contents, present, first = Contents(), set(), {}
    for entry in history:
        for status, old_mode, _, *paths in entry["files"]:
            if paths[0] not in present | first.keys() and status != "A":
                first[paths[0]] = old_mode
            present.add(paths[-1])
    ident = repos.WHO.encode()
    yield b"commit refs/heads/work\nmark :1\n" + ident + repos.blob(b"before")
    yield b"M 100644 inline " + repos.quoted(repos.CONFIG) + b"\n" + repos.blob(config.encode())
    for path, mode in first.items():
        contents.edit(path)
        yield contents.store(mode, path)
    for n, entry in enumerate(history, start=2):
        yield b"commit refs/heads/work\nmark :%d\n" % n + ident + repos.blob(entry["sha"].encode()) + b"from :%d\n" % (
            n - 1
        )
        # What leaves comes first: a commit may move a to b and c to a. The data calls copies renames too, so that what
        # is moved away may be deleted once more later.
        left = [paths[0] for status, _, _, *paths in entry["files"] if status[0] in "DR"]
        gone = {path: contents.lines.pop(path, [f"{path} again"]) for path in left}
        yield from (b"D " + repos.quoted(path) + b"\n" for path in gone)
        for status, _, mode, *paths in entry["files"]:
            if status == "D":
                continue
            if status.startswith("R"):
                contents.arrive(gone[paths[0]], paths[1], int(status[1:]))
            else:
                contents.edit(paths[0])
            yield contents.store(mode, paths[-1])
    yield b"done\n"


def build(folder: pathlib.Path, history: list[dict], config: str) -> list[str]:
    """The repository, and its commits, oldest first; the first one is before the history."""
    folder.mkdir(parents=True)
    repos.git(folder, "init", "--quiet", "--initial-branch=main")
    repos.git(folder, "config", "core.autocrlf", "false")
    repos.git(folder, "fast-import", "--quiet", "--done", stdin=b"".join(stream(history, config)))
    commits = repos.git(folder, "rev-list", "--reverse", "work").decode().split()
    assert len(commits) == len(history) + 1
    (folder / ".git/info/exclude").write_text("/.wf/\n")
    return commits
