#!/usr/bin/env python3
"""Stands in for wf in tests of the scripts that judge it: a cache in eighty lines, right or wrong by its own name.

`wf-torn` stores entries that do not verify, `wf-wrong` restores other bytes, `wf-forgets` stores nothing.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import subprocess
import sys

FAULT = pathlib.Path(sys.argv[0]).name
STORE = pathlib.Path(os.environ.get("WF_CACHE_DIR", ".wf/cache"))


def sha(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def place(key: str) -> pathlib.Path:
    return STORE / "cas" / key[:2] / key[2:]


def store(key: str, made: bytes) -> None:
    if FAULT == "wf-forgets":
        return
    file = place(key)
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.write_bytes(sha(made).encode() + (b"torn" if FAULT == "wf-torn" else made))
    new.rename(file)


def step(home: pathlib.Path, task: str, below: list[bytes]) -> bytes:
    """Runs or restores one task; returns what it made."""
    sources = [file.read_bytes() for file in sorted(home.glob("src/*"))]
    out = home / "dist/out.txt"
    key = sha(task.encode(), home.name.encode(), *sources, *below)
    with contextlib.suppress(FileNotFoundError):
        made = place(key).read_bytes()[64:]
        if task == "build" and (not out.exists() or out.read_bytes() != made):
            out.parent.mkdir(exist_ok=True)
            out.write_bytes(b"other" if FAULT == "wf-wrong" else made)
        return made
    subprocess.run(["sh", f"../../scripts/{task}.sh"], cwd=home, check=True)
    made = out.read_bytes() if task == "build" else b""
    store(key, made)
    return made


def run() -> None:
    pathlib.Path(".wf").mkdir(exist_ok=True)
    with open(".wf/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made: dict[str, bytes] = {}
        for home in sorted(pathlib.Path("packages").iterdir()):  # every package comes after those it depends on
            needs = json.loads((home / "package.json").read_text())["dependencies"]
            step(home, "lint", [])
            made[home.name] = step(home, "build", [made[name] for name in needs])
            step(home, "test", [made[home.name]])


def verify() -> int:
    entries = [file.read_bytes() for file in STORE.glob("cas/*/*") if "." not in file.name]
    return int(any(sha(entry[64:]) != entry[:64].decode() for entry in entries))


match sys.argv[1:]:
    case ["run", *_]:
        run()
    case ["cache", "verify", "--json"]:
        sys.exit(verify())
    case ["--version"]:
        print("wf 0.0.0")
    case other:
        sys.exit(f"not a command of this wf: {other}")
