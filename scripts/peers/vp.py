"""vite-plus."""

import json
import pathlib

from peers import install
from peers.mono import Mono
from peers.npm import QUIET, Npm, command, manifests, npm_lock
from peers.tool import link_modules



class Vp(Npm):
    """vite-plus, with the node of its own package: it refuses older ones. It finds inputs by tracing, by default."""

    name, caches = "vp", ["node_modules/.vite"]

    def find(self) -> str:
        self.node = install.binary(self.modules, "node-linux-*/bin/node")
        return self.node

    def prepare(self, folder: pathlib.Path) -> None:
        link_modules(folder, self.modules)

    def version_command(self) -> list[str]:
        return [*self.vp(), "--version"]

    def version(self) -> str:
        return self.pinned("vite-plus")

    def vp(self) -> list[str]:
        return [self.node, str(self.modules / "vite-plus/bin/vp")]

    def env(self) -> dict[str, str]:
        return QUIET | {"npm_config_update_notifier": "false"} | self.node_path(pathlib.Path(self.node).parent)

    def files(self, mono: Mono) -> dict[str, str]:
        files = manifests(mono, "1.0.0", scripts=False, packageManager="npm@10.8.2", type="module") | npm_lock(mono)
        for package, needs in mono.depends.items():
            # Without the exceptions, the probe of its own `dist` would be an input.
            inputs = {"cache": {"input": [{"auto": True}, "!dist", "!dist/**"]}}
            files[f"packages/{package}/vite.config.ts"] = self.config({
                "lint": {"command": command("lint"), "dependsOn": []},
                "build": {"command": command("build"), "dependsOn": [f"{p}#build" for p in needs]} | inputs,
                "test": {"command": command("test"), "dependsOn": ["build"]},
            })
        goals = [f"{package}#{task}" for package in mono.packages for task in ("lint", "test")]
        return files | {"vite.config.ts": self.config({"all": {"command": "true", "cache": False, "dependsOn": goals}})}

    def config(self, tasks: dict) -> str:
        head = "import { defineConfig } from 'vite-plus';\nexport default defineConfig({ run: { tasks: "
        return f"{head}{json.dumps(tasks)} }} }});\n"

    def run(self, jobs: int) -> list[str]:
        return [*self.vp(), "run", "--concurrency-limit", str(jobs), "all"]
