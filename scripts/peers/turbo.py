"""Turborepo."""

import pathlib

from peers import install
from peers.mono import TASKS, Mono
from peers.npm import QUIET, Npm, bun_lock, manifests
from peers.tool import link_modules, pretty



class Turbo(Npm):
    """The native binary, since the shim of npm costs a start of node; tasks through bun, since npm is far slower."""

    name, yardstick = "turbo", True
    caches = [".turbo", "node_modules/.cache/turbo", "packages/*/.turbo"]

    def find(self) -> str:
        self.bun = install.binary(self.modules, "@oven/bun-*/bin/bun")
        return install.binary(self.modules, "@turbo/*/bin/turbo")

    def prepare(self, folder: pathlib.Path) -> None:
        link_modules(folder, self.modules)

    def env(self) -> dict[str, str]:
        quiet = QUIET | {"TURBO_TELEMETRY_DISABLED": "1", "TURBO_NO_UPDATE_NOTIFIER": "1"}
        return quiet | {"TURBO_SCM_BASE": "HEAD~1"} | self.node_path(pathlib.Path(self.bun).parent)

    def files(self, mono: Mono) -> dict[str, str]:
        tasks = {
            "lint": {"inputs": ["src/**"], "outputs": []},
            "build": {"dependsOn": ["^build"], "inputs": ["src/**"], "outputs": ["dist/**"]},
            "test": {"dependsOn": ["build"], "inputs": ["src/**"], "outputs": []},
        }
        config = {"cacheDir": ".turbo/cache", "envMode": "strict", "tasks": tasks}
        manager = f"bun@{self.pinned('bun')}"
        files = manifests(mono, "workspace:*", packageManager=manager) | bun_lock(mono)
        return files | {"turbo.json": pretty(config)}

    def run(self, jobs: int) -> list[str]:
        quiet = ["--output-logs=new-only", "--ui=stream", "--cache=local:rw"]
        return [self.program, "run", *TASKS, f"--concurrency={jobs}", *quiet]

    def affected(self) -> list[str]:
        return [self.program, "ls", "--affected", "--output=json"]
