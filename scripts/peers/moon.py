"""moon."""

import json

from peers import install
from peers.mono import TASKS, Mono
from peers.npm import QUIET, Npm, command
from peers.tool import pretty



class Moon(Npm):
    """The native binary. Its default way to list files asks git once for each project: `glob` is far faster."""

    name, caches = "moon", [".moon/cache"]

    def find(self) -> str:
        return install.binary(self.modules, "@moonrepo/core-*/moon")

    def env(self) -> dict[str, str]:
        offline = ("MOON_TOOLCHAIN_FORCE_GLOBALS", "MOON_SKIP_SETUP_TOOLCHAIN", "MOON_OFFLINE", "PROTO_OFFLINE")
        return QUIET | dict.fromkeys(offline, "true") | {"MOON_BASE": "HEAD~1", "MOON_HEAD": "HEAD"}

    def files(self, mono: Mono) -> dict[str, str]:
        workspace = {
            "projects": ["packages/*"],
            "vcs": {"client": "git", "defaultBranch": "main"},
            "telemetry": False,
            "versionConstraint": ">=1.0.0",
            "pipeline": {"autoCleanCache": False},
            "hasher": {"walkStrategy": "glob"},
        }
        files = {".moon/workspace.yml": pretty(workspace)}  # JSON is YAML too
        for package, needs in mono.depends.items():
            tasks: dict[str, dict] = {
                "lint": {},
                "build": {"outputs": ["dist/out.txt"], "deps": ["^:build"]},
                "test": {"deps": ["~:build"]},
            }
            for task, own in tasks.items():
                own |= {"command": command(task), "inputs": ["src/**/*"], "options": {"runInCI": True, "shell": False}}
            project = {"language": "unknown", "dependsOn": needs, "toolchains": {"default": "system"}, "tasks": tasks}
            files[f"packages/{package}/moon.yml"] = pretty(project)
        return files

    def run(self, jobs: int) -> list[str]:
        quiet = ["--summary", "none", "--no-actions"]
        return [self.program, "run", *(f":{task}" for task in TASKS), "--concurrency", str(jobs), *quiet]

    def affected(self) -> list[str]:
        return [self.program, "query", "projects", "--affected", "--downstream", "deep"]

    def affected_packages(self, said: str) -> set[str]:
        return {project["id"] for project in json.loads(said)["projects"]}
