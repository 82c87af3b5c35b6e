"""Nx, without its daemon and with it."""

import pathlib
import subprocess

import repos
from peers.mono import TASKS, Mono
from peers.npm import QUIET, Npm, command
from peers.tool import link_modules, pretty



class Nx(Npm):
    """Without isolation of plugins, which costs half a second a start; no cloud, no analytics."""

    name, caches = "nx", [".nx"]
    daemon = "false"

    def prepare(self, folder: pathlib.Path) -> None:
        link_modules(folder, self.modules)

    def env(self) -> dict[str, str]:
        off = ("NX_NO_CLOUD", "NX_SKIP_FORMAT", "NX_DISABLE_ANALYTICS", "NX_SKIP_CHECK_REMOTE")
        no = {"NX_TUI": "false", "NX_INTERACTIVE": "false", "NX_ISOLATE_PLUGINS": "false", "NX_DAEMON": self.daemon}
        native = {"NX_NATIVE_COMMAND_RUNNER": "true", "NX_WORKSPACE_DATA_DIRECTORY": ".nx/workspace-data"}
        return QUIET | dict.fromkeys(off, "true") | no | native

    def files(self, mono: Mono) -> dict[str, str]:
        targets: dict[str, dict] = {
            "lint": {"inputs": ["default"]},
            "build": {"dependsOn": ["^build"], "inputs": ["default", "^default"], "outputs": ["{projectRoot}/dist"]},
            "test": {"dependsOn": ["build"], "inputs": ["default", "^default"]},
        }
        config = {
            "neverConnectToCloud": True,
            "analytics": False,
            "plugins": [],
            "defaultBase": "main",
            "cacheDirectory": ".nx/cache",
            "namedInputs": {"default": ["{projectRoot}/src/**/*"]},
            "targetDefaults": {task: {"cache": True} | target for task, target in targets.items()},
        }
        files = {"package.json": pretty({"name": "root", "private": True, "version": "1.0.0"})}
        for package, needs in mono.depends.items():
            run = lambda task: {"command": command(task), "cwd": f"packages/{package}"}
            own = {task: {"executor": "nx:run-commands", "options": run(task)} for task in TASKS}
            project = {"name": package, "implicitDependencies": needs, "targets": own}
            files[f"packages/{package}/project.json"] = pretty(project)
        return files | {"nx.json": pretty(config)}

    def run(self, jobs: int) -> list[str]:
        return [self.program, "run-many", "-t", *TASKS, f"--parallel={jobs}", "--outputStyle=static"]

    def affected(self) -> list[str]:
        return [self.program, "show", "projects", "--affected", "--base=HEAD~1", "--head=HEAD"]


class NxDaemon(Nx):
    """nx with its daemon, whose own CPU time is not counted."""

    name, lock, daemon = "nx-daemon", "nx", "true"

    def stop(self, folder: pathlib.Path) -> None:
        env = repos.ENV | {"HOME": str(folder)} | self.env()
        subprocess.run([self.program, "daemon", "--stop"], cwd=folder, env=env, capture_output=True, timeout=60)
