"""Tables of results: on the terminal, as JSON, and in a marked section of a Markdown file."""

import json
import os
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def machine() -> str:
    """The machine, in one line: numbers mean nothing without it."""
    try:
        info = pathlib.Path("/proc/cpuinfo").read_text()
        model = re.search(r"model name\s*:\s*(.*)", info)
        cpu = model[1] if model else platform.machine()
        memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) // 1024**2
    except OSError:
        cpu, memory = platform.processor() or platform.machine(), 0
    said = subprocess.run(["git", "--version"], capture_output=True, text=True).stdout.strip()
    kernel = f"{platform.system()} {platform.release()}"
    return f"{cpu}, {os.cpu_count()} CPUs, {memory} GiB, {kernel}, {said}"


def revision() -> str:
    """Which wf was measured."""
    said = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return said.stdout.strip() or "unknown"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table that is readable as text too; every column but the first is right-aligned."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    line = (
        lambda row: "| "
        + " | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths)))
        + " |"
    )
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def write_section(file: pathlib.Path, name: str, text: str) -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`."""
    old = file.read_text()
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
    new, count = pattern.subn(lambda m: f"{m[1]}\n{text.strip()}\n\n{m[2]}", old)
    if count != 1:
        raise SystemExit(f"{file} has no section `<!-- {name} -->` … `<!-- /{name} -->`")
    file.write_text(new)


def write_json(file: str, document: dict) -> None:
    pathlib.Path(file).write_text(json.dumps({"format": 1, **document}, indent=1) + "\n")
