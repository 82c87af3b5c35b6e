"""Interleaved rounds: every row of the comparison, every tool in turn, and proof that the right tasks ran."""

import multiprocessing
import pathlib
import shutil
import statistics
import sys
import tempfile

from measure import Failed, Took, middle, once
from peers import mono
from peers.tool import Tool

# Counted rounds with 10, with 100 and with more packages; one more comes first and is not counted.
ROUNDS = {
    "version": (10, 10, 10),
    "cold": (4, 3, 2),
    "warm": (10, 7, 7),
    "leaf": (5, 5, 5),
    "root": (4, 3, 3),
    "restore": (4, 4, 4),
    "affected": (7, 5, 5),
}
ROWS = tuple(ROUNDS)
# A tool that no target is about is not asked again where one run takes longer (seconds).
SLOW = 6.0
LIMIT = 300.0


class Cell:
    """One row of one tool."""

    def __init__(self):
        self.runs: dict[int, Took] = {}
        self.ran: list[int] = []
        self.once = False

    def middle(self) -> Took | None:
        return middle(self.runs.values()) if self.runs else None


class Rounds:
    def __init__(self, place: pathlib.Path, count: int, tools: list[Tool], jobs: int, most: int | None = None):
        self.place, self.count, self.tools, self.jobs = place, count, tools, jobs
        self.most = most
        self.mono = mono.shape(count)
        self.cells: dict[tuple[str, str], Cell] = {}
        # (tool, what was wrong): a failed command, a wrong number of tasks, a wrong output.
        self.wrong: list[tuple[str, str]] = []
        self.failed: set[str] = set()
        self.primed: set[str] = set()
        self.edits = 0

    def measure(self, rows: list[str]) -> "Rounds":
        # Linux counts what a process took before it became a command as that command's: this one has to stay small.
        with multiprocessing.get_context("spawn").Pool(1) as self.apart:
            return self.all(rows)

    def all(self, rows: list[str]) -> "Rounds":
        for tool in self.tools:
            print(f"{self.count} packages: the repository of {tool.name} …", file=sys.stderr)
            folder = self.folder(tool)
            self.apart.apply(make, (tool, folder, self.mono, self.log(tool)))
            tool.prepare(folder)
        try:
            for row in rows:
                self.row(row)
        finally:
            for tool in self.tools:
                tool.stop(self.folder(tool))
        return self

    def folder(self, tool: Tool) -> pathlib.Path:
        return self.place / tool.name

    def log(self, tool: Tool) -> pathlib.Path:
        return self.place / f"{tool.name}.log"

    def row(self, row: str) -> None:
        count = ROUNDS[row][0 if self.count <= 10 else 1 if self.count <= 100 else 2]
        count = min(count, self.most or count)
        tools = [tool for tool in self.tools if tool.name not in self.failed and self.takes_part(tool, row)]
        for tool in tools:
            if row not in ("version", "cold") and tool.name not in self.primed:
                self.run(tool, "cold")
            if row == "affected":
                mono.branch(self.folder(tool))
        for n in range(count + 1):
            turn = n % max(1, len(tools))
            for tool in tools[turn:] + tools[:turn]:
                cell = self.cells.setdefault((tool.name, row), Cell())
                if tool.name in self.failed or cell.once:
                    continue
                if not (took := self.run(tool, row, cell)):
                    continue
                if n == 0 and took.wall > SLOW and not tool.yardstick:
                    cell.once = True
                if n > 0 or cell.once:
                    cell.runs[n] = took
        said = ", ".join(f"{t.name} {self.middle(t.name, row) or 'failed'}" for t in tools)
        print(f"{self.count} packages, {row}: {said}", file=sys.stderr)

    def takes_part(self, tool: Tool, row: str) -> bool:
        commands = {"version": tool.version_command, "affected": tool.affected}
        return bool(commands[row]()) if row in commands else row != "restore" or tool.restores

    def run(self, tool: Tool, row: str, cell: Cell | None = None) -> Took | None:
        """One run, made ready and checked; nothing if it failed."""
        folder = self.folder(tool)
        self.ready(tool, row)
        self.log(tool).write_text("")
        command = tool.run(self.jobs)
        if row in ("version", "affected"):
            command = tool.version_command() or [] if row == "version" else tool.affected() or []
        with tempfile.TemporaryFile() as output:
            try:
                took = once(command, folder, {"HOME": str(self.place)} | tool.env(), LIMIT, output.fileno())
            except Failed as error:
                self.complain(tool, row, str(error))
                self.failed.add(tool.name)
                return None
            if row not in ("version", "affected"):
                self.primed.add(tool.name)
            output.seek(0)
            self.check(tool, row, output.read().decode(errors="replace") if row == "affected" else "", cell)
        return took

    def ready(self, tool: Tool, row: str) -> None:
        """What the row is about: nothing cached, an edit, outputs deleted."""
        folder = self.folder(tool)
        if row == "cold":
            tool.stop(folder)
            delete(folder, [*tool.caches, "packages/*/dist"])
        elif row in ("leaf", "root"):
            self.edits += 1
            mono.edit(folder, getattr(self.mono, row)(), f"edit {self.edits}")
        elif row == "restore":
            delete(folder, ["packages/*/dist"])

    def check(self, tool: Tool, row: str, said: str, cell: Cell | None) -> None:
        if row == "version":
            return
        lines = self.log(tool).read_text().splitlines()
        if cell:
            cell.ran.append(len(lines))
        if len(lines) != (wanted := self.wanted(row)):
            self.complain(tool, row, f"{len(lines)} tasks ran instead of {wanted}")
        if len(set(lines)) != len(lines):
            self.complain(tool, row, "a task ran twice")
        if row == "affected":
            edited = self.mono.middle()
            if (found := tool.affected_packages(said)) != (right := self.mono.above(edited) | {edited}):
                self.complain(tool, row, f"named {len(found)} packages as affected, which are {len(right)}")
        elif row != "warm" and (outputs := self.apart.apply(mono.wrong_outputs, (self.folder(tool), self.mono))):
            folder = self.folder(tool)
            self.complain(tool, row, f"{len(outputs)} outputs are wrong, such as that of {outputs[0]} in {folder}")

    def wanted(self, row: str) -> int:
        if row == "cold":
            return 3 * self.count
        return self.mono.tasks_after(getattr(self.mono, row)() if row in ("leaf", "root") else None)

    def complain(self, tool: Tool, row: str, what: str) -> None:
        if (entry := (tool.name, f"{self.count} packages, {row}: {what}")) not in self.wrong:
            self.wrong.append(entry)
            print(f"WRONG {tool.name}: {entry[1]}", file=sys.stderr)

    def middle(self, tool: str, row: str) -> Took | None:
        cell = self.cells.get((tool, row))
        return cell and cell.middle()

    def ratio(self, ours: str, peer: str, row: str) -> float | None:
        """The median of the ratios of rounds that both took part in."""
        a, b = self.cells.get((ours, row)), self.cells.get((peer, row))
        both = sorted(a.runs.keys() & b.runs.keys()) if a and b else []
        return statistics.median(a.runs[n].wall / b.runs[n].wall for n in both) if both else None

    def document(self) -> dict:
        cells: dict[str, dict] = {}
        for (tool, row), cell in self.cells.items():
            runs = [took._asdict() for took in cell.runs.values()]
            cells.setdefault(tool, {})[row] = {"runs": runs, "ran": cell.ran, "once": cell.once}
        return {"tools": cells, "wrong": self.wrong}


def make(tool: Tool, folder: pathlib.Path, shape: mono.Mono, log: pathlib.Path) -> None:
    mono.make(folder, shape, tool.files(shape), log)


def delete(folder: pathlib.Path, patterns: list[str]) -> None:
    for pattern in patterns:
        for path in folder.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
