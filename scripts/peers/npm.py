"""Workspaces of packages for the tools that come from npm, and how those are installed."""

import json
import os
import pathlib

from peers import install
from peers.mono import TASKS, Mono
from peers.tool import Tool, pretty


QUIET = {"DO_NOT_TRACK": "1"}


def command(task: str) -> str:
    return f"sh ../../scripts/{task}.sh"


def manifests(mono: Mono, version: str, scripts: bool = True, **root) -> dict[str, str]:
    """An npm workspace."""
    head = {"name": "root", "private": True, "version": "1.0.0", "workspaces": ["packages/*"]}
    files = {"package.json": pretty(head | root)}
    for package, needs in mono.depends.items():
        manifest = {"name": package, "version": "1.0.0", "dependencies": dict.fromkeys(needs, version)}
        if scripts:
            manifest["scripts"] = {task: command(task) for task in TASKS}
        files[f"packages/{package}/package.json"] = pretty(manifest)
    return files


def npm_lock(mono: Mono) -> dict[str, str]:
    packages: dict[str, dict] = {"": {"name": "root", "version": "1.0.0", "workspaces": ["packages/*"]}}
    for package, needs in mono.depends.items():
        entry = {"name": package, "version": "1.0.0", "dependencies": dict.fromkeys(needs, "1.0.0")}
        packages[f"packages/{package}"] = entry
        packages[f"node_modules/{package}"] = {"resolved": f"packages/{package}", "link": True}
    head = {"name": "root", "version": "1.0.0", "lockfileVersion": 3, "requires": True}
    return {"package-lock.json": pretty(head | {"packages": packages})}


def bun_lock(mono: Mono) -> dict[str, str]:
    workspaces: dict[str, dict] = {"": {"name": "root"}}
    for package, needs in mono.depends.items():
        entry: dict = {"name": package, "version": "1.0.0"}
        if needs:
            entry["dependencies"] = dict.fromkeys(needs, "workspace:*")
        workspaces[f"packages/{package}"] = entry
    packages = {package: [f"{package}@workspace:packages/{package}"] for package in mono.packages}
    return {"bun.lock": pretty({"lockfileVersion": 1, "workspaces": workspaces, "packages": packages})}


class Npm(Tool):
    """Installed by a lock file of scripts/peers/npm."""

    # Which of them, if it is not called as the tool is.
    lock = ""

    def install(self) -> None:
        self.modules = install.npm(self.lock or self.name)
        self.program = self.find()

    def find(self) -> str:
        return str(self.modules / ".bin" / (self.lock or self.name))

    def pinned(self, package: str) -> str:
        return json.loads((self.modules / package / "package.json").read_text())["version"]

    def node_path(self, folder: pathlib.Path | str) -> dict[str, str]:
        return {"PATH": f"{folder}:{os.environ['PATH']}"}
