"""Makes synthetic git repositories to measure on: quickly, and the same every time.

Run as a script it makes one to look at: `python3 scripts/lib/repos.py files|steps|packages DIR COUNT`.
"""

import os
import pathlib
import random
import shutil
import subprocess
import sys

# Nothing of the user's git may change what is measured.
ENV = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
CONFIG = ".workflow-config.yaml"
WHO = "committer Bench <bench@example.invalid> 1700000000 +0000\n"


def git(folder: pathlib.Path, *arguments: str, stdin: bytes | None = None) -> bytes:
    """Runs git and returns what it prints."""
    command = ["git", "-c", "gc.auto=0", "-c", "maintenance.auto=0", *arguments]
    return subprocess.run(command, cwd=folder, env=ENV, input=stdin, check=True, stdout=subprocess.PIPE).stdout


def quoted(path: str | bytes) -> bytes:
    """A path as `git fast-import` wants it, whatever is in it."""
    raw = path if isinstance(path, bytes) else path.encode("utf-8", "surrogateescape")
    return b'"' + b"".join(b"\\%03o" % c if c < 32 or c in b'"\\' or c > 126 else bytes([c]) for c in raw) + b'"'


def blob(text: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(text), text)


def commit(folder: pathlib.Path, files: dict[str, str]) -> None:
    """A new repository at `folder`: one commit on main, and HEAD on the branch `work` at the same commit."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    stream = [b"commit refs/heads/main\n", WHO.encode(), blob(b"all of it")]
    stream += [b"M 644 inline " + quoted(path) + b"\n" + blob(text.encode()) for path, text in files.items()]
    git(folder, "fast-import", "--quiet", stdin=b"".join(stream) + b"\ndone\n")
    git(folder, "checkout", "--quiet", "-b", "work", "main")
    settle(folder)


def settle(folder: pathlib.Path) -> None:
    """Makes the index fresh: no entry as young as the index itself, which git would have to read again each time."""
    index = folder / ".git/index"
    old = index.stat().st_mtime - 10
    listed = git(folder, "ls-files", "-z").split(b"\0")
    for name in filter(None, listed):
        path = os.path.join(os.fsencode(folder), name)
        if os.path.exists(path):
            os.utime(path, (old, old))
    # Made anew: most builds of git compare whole seconds, and leave an entry with the nanoseconds of an earlier look.
    # With the names of its trees, as a clone or a commit leaves it.
    index.unlink()
    git(folder, "read-tree", "HEAD")
    git(folder, "status", "--porcelain")


PLAIN = """stages:
  - name: core
  - name: extended
steps:
  - {id: lint, stage: core, run: "true", inputs: ["**/*.c", "**/*.h"]}
  - {id: build, stage: core, run: "true", inputs: ["src/**", Makefile]}
  - {id: docs, stage: core, run: "true", inputs: ["**/*.md"]}
  - {id: test, stage: extended, run: "true", ignore: [docs]}
"""


def many_files(folder: pathlib.Path, count: int) -> None:
    """`count` files, twenty to a folder, four levels deep."""
    files = {CONFIG: PLAIN, ".gitignore": "/.wf/\n*.o\n"}
    for n in range(count):
        place = n // 20
        name = ("main.c", "main.h", "README.md", "data.json")[n % 4].replace("m", f"m{n}", 1)
        files[f"src/a{place % 10}/b{place // 10 % 25}/c{place}/{name}"] = f"file {n}\n" + f"{n * 7919:x}\n" * 8
    commit(folder, files)


def change(folder: pathlib.Path, count: int) -> None:
    """Back to the commit, then `count` files edited, spread evenly; the rest stays fresh in the index."""
    git(folder, "checkout", "--quiet", "--", ".")
    settle(folder)
    tracked = [name for name in git(folder, "ls-files", "-z", "src").split(b"\0") if name]
    for name in tracked[:: max(1, len(tracked) // count)][:count]:
        with open(os.path.join(os.fsencode(folder), name), "ab") as file:
            file.write(b"one more line\n")


def many_steps(folder: pathlib.Path, count: int, chained: bool = False) -> None:
    """`count` steps of `true`, and the same for ninja. Chained: each tenth step needs the one before it."""
    steps, edges = [], ["rule t\n  command = true\n"]
    for n in range(count):
        needs = f", needs: [s{n - 1:05}]" if chained and n % 10 else ""
        steps.append(f'  - {{id: s{n:05}, run: "true"{needs}}}\n')
        edges.append(f"build s{n:05}: t\n")
    commit(
        folder, {CONFIG: "steps:\n" + "".join(steps), "build.ninja": "".join(edges), ".gitignore": "/.wf/\n.ninja*\n"}
    )


FOR_EACH = """steps:
  - {id: lint, for_each: "packages/*/", run: "true", inputs: ["./src/**"]}
  - {id: build, for_each: "packages/*/", run: "true", needs: ["^build"]}
  - {id: test, for_each: "packages/*/", run: "true", needs: [build]}
"""


def many_packages(folder: pathlib.Path, count: int) -> None:
    """An npm workspace in eight layers; each package depends on one to three of the layers below it."""
    chance = random.Random(count)
    files = {CONFIG: FOR_EACH, "one.yaml": 'steps:\n  - {id: all, run: "true"}\n', ".gitignore": "/.wf/\n"}
    files["package.json"] = '{"name": "root", "private": true, "workspaces": ["packages/*"]}\n'
    layer = [n * 8 // count for n in range(count)]
    for n in range(count):
        below = [m for m in range(max(0, n - count // 4), n) if layer[m] < layer[n]]
        depends = sorted(chance.sample(below, min(len(below), chance.randint(1, 3))))
        entries = ", ".join(f'"p{m:04}": "workspace:*"' for m in depends)
        home = f"packages/p{n:04}"
        files[f"{home}/package.json"] = f'{{"name": "p{n:04}", "version": "1.0.0", "dependencies": {{{entries}}}}}\n'
        for k in range(4):
            files[f"{home}/src/f{k}.ts"] = f"export const x{k} = {n};\n"
    commit(folder, files)


if __name__ == "__main__":
    kind, where, size = sys.argv[1:]
    {"files": many_files, "steps": many_steps, "packages": many_packages}[kind](pathlib.Path(where), int(size))
