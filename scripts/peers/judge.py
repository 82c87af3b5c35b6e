"""What the numbers say: the tables, and each target with its verdict."""

from typing import NamedTuple

import results
from peers.rounds import ROWS, Rounds

COLUMNS = {
    "version": "`--version`",
    "cold": "cold",
    "warm": "no-op",
    "leaf": "leaf edit",
    "root": "root edit",
    "restore": "restore",
    "affected": "affected query",
}


class Verdict(NamedTuple):
    what: str
    value: float | None
    limit: float
    unit: str

    @property
    def met(self) -> bool | None:
        return None if self.value is None else self.value <= self.limit

    def cells(self) -> list[str]:
        if self.value is None:
            return [self.what, "not measured", f"≤ {self.limit:g} {self.unit}"]
        said = "met" if self.met else "missed"
        return [self.what, f"{self.value:.2f} {self.unit}", f"≤ {self.limit:g}: {said}"]


def targets(measured: dict[int, Rounds]) -> list[Verdict]:
    """The targets, at the largest size; growth and process start by the sizes that they name."""
    largest = max(measured)
    runs = measured[largest]
    at = f"{largest:,} packages"
    times = lambda what, peer, row, limit: Verdict(f"{what}, {at}, to {peer}", runs.ratio("wf", peer, row), limit, "×")
    peak = runs.middle("wf", "warm")
    return [
        times("no-op", "turbo", "warm", 0.10),
        times("no-op", "ninja", "warm", 2.5),
        Verdict(f"peak memory of a no-op, {at}", peak and peak.peak / 1e6, 60, "MB"),
        Verdict("no-op at 100 packages, above process start", above_start(measured.get(100)), 20, "ms"),
        times("leaf edit", "turbo", "leaf", 0.12),
        times("root edit", "ninja", "root", 1.5),
        times("cold", "ninja", "cold", 1.5),
        times("restore", "turbo", "restore", 0.3),
        times("affected query", "turbo", "affected", 1.0),
        *(growth(measured, row) for row in ("warm", "cold")),
        Verdict("a hit beyond its outputs, by slope", slope(measured), 0.1, "ms"),
    ]


def above_start(runs: Rounds | None) -> float | None:
    warm, start = (runs.middle("wf", row) for row in ("warm", "version")) if runs else (None, None)
    return (warm.wall - start.wall) * 1000 if warm and start else None


def growth(measured: dict[int, Rounds], row: str) -> Verdict:
    """How many times as long with 1,000 packages as with 100."""
    few, many = (measured[n].middle("wf", row) if n in measured else None for n in (100, 1000))
    value = many.wall / few.wall if few and many else None
    return Verdict(f"growth of {COLUMNS[row]} from 100 to 1,000 packages", value, 10, "×")


def slope(measured: dict[int, Rounds]) -> float | None:
    """Milliseconds for each further hit of a no-op, by least squares; the files of its package are in it."""
    points = [(3 * n, took.wall * 1000) for n, runs in measured.items() if (took := runs.middle("wf", "warm"))]
    if len(points) < 3:
        return None
    x, y = (sum(side) / len(points) for side in zip(*points))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def report(measured: dict[int, Rounds], verdicts: list[Verdict]) -> str:
    parts = [results.table(["wf, beside the peer named", "measured", "target"], [v.cells() for v in verdicts])]
    for count, runs in sorted(measured.items()):
        rows = [row for row in ROWS if any((tool.name, row) in runs.cells for tool in runs.tools)]
        head = ["wall / CPU time", *(f"{COLUMNS[row]}{ran(runs, row)}" for row in rows), "peak, no-op / cold"]
        parts.append(f"**{count:,} packages, {3 * count:,} tasks**")
        parts.append(results.table(head, [line(runs, tool.name, rows) for tool in runs.tools]))
    if any(cell.once for runs in measured.values() for cell in runs.cells.values()):
        parts.append("¹ one run, since it takes so long.")
    wrong = [f"- {tool}: {what.splitlines()[0]}" for runs in measured.values() for tool, what in runs.wrong]
    if wrong:
        parts.append("What was not as it should be:\n\n" + "\n".join(wrong))
    return "\n\n".join(parts)


def ran(runs: Rounds, row: str) -> str:
    """How many tasks must run, for the head of a column."""
    return "" if row in ("version", "affected") else f" ({runs.wanted(row):,})"


def line(runs: Rounds, tool: str, rows: list[str]) -> list[str]:
    cells = [tool]
    for row in rows:
        took, cell = runs.middle(tool, row), runs.cells.get((tool, row))
        if not took or not cell:
            cells.append("–")
            continue
        wrong = [n for n in cell.ran if n != runs.wanted(row)]
        text = f"{seconds(took.wall)} / {seconds(took.cpu)}"
        cells.append(text + (f" (ran {wrong[-1]:,})" if wrong else "") + ("¹" if cell.once else ""))
    peaks = [runs.middle(tool, row) for row in ("warm", "cold")]
    return cells + [" / ".join(f"{p.peak / 1e6:.0f} MB" if p else "–" for p in peaks)]


def seconds(value: float) -> str:
    """Three digits, in the unit that reads best."""
    return f"{value * 1000:.3g} ms" if value < 0.9995 else f"{value:.3g} s"
