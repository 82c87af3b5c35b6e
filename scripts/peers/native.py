"""wf, and the tools without node: ninja, make, task."""

import json
import pathlib
import shutil

from peers import install
from peers.mono import Mono
from peers.tool import Tool, pretty

STEPS = """steps:
  - id: lint
    for_each: "packages/*/"
    run: sh ../../scripts/lint.sh
    inputs: ["./src/**"]
  - id: build
    for_each: "packages/*/"
    run: sh ../../scripts/build.sh
    needs: ["^build"]
    inputs: ["./src/**"]
    outputs: ["./dist/**"]
  - id: test
    for_each: "packages/*/"
    run: sh ../../scripts/test.sh
    needs: [build]
    inputs: ["./src/**"]
"""


class Wf(Tool):
    """Every step is looked up: without it, a step that git proves unaffected would not even be asked for its outputs."""

    name, caches, yardstick = "wf", [".wf"], True
    decide = ["--no-smart-execution"]

    def __init__(self, program: str):
        self.program = program

    def files(self, mono: Mono) -> dict[str, str]:
        files = {".workflow-config.yaml": STEPS}
        files["package.json"] = pretty({"name": "root", "private": True, "workspaces": ["packages/*"]})
        for package, needs in mono.depends.items():
            manifest = {"name": package, "version": "1.0.0", "dependencies": dict.fromkeys(needs, "1.0.0")}
            files[f"packages/{package}/package.json"] = pretty(manifest)
        return files

    def run(self, jobs: int) -> list[str]:
        return [self.program, "run", "--jobs", str(jobs), *self.decide]

    def affected(self) -> list[str] | None:
        # Others neither look results up nor predict anything when they list what is affected.
        return [self.program, "plan", "--no-cache", "--no-ml-optimize", "--json"]

    def affected_packages(self, said: str) -> set[str]:
        """Those with a step that the change reaches. Others run only because somebody wants their outputs."""
        decisions = ((step["id"], step["decision"].get("run")) for step in json.loads(said)["steps"])
        reached = (name for name, why in decisions if why and why["because"] != "outputs-needed")
        return {name.rpartition("/")[2] for name in reached}


class WfSmart(Wf):
    """wf as it is without flags: what git proves unaffected is skipped, and its outputs are not asked for."""

    name, yardstick, restores, decide = "wf-smart", False, False, []

    def affected(self) -> list[str] | None:
        return None


class Ninja(Tool):
    name, restores, yardstick = "ninja", False, True
    caches = [".stamps", ".ninja_log", ".ninja_deps"]

    def install(self) -> None:
        self.program = str(install.python("ninja") / "ninja")

    def files(self, mono: Mono) -> dict[str, str]:
        out = ["rule r", "  command = cd packages/$p && sh ../../scripts/$t.sh$then", ""]
        for package in mono.packages:
            sources, dist = own_sources(mono, package), f"packages/{package}/dist/out.txt"
            below = " ".join(f"packages/{p}/dist/out.txt" for p in mono.depends[package])
            for task, made, reads in (
                ("lint", f".stamps/{package}.lint", sources),
                ("build", dist, f"{sources} {below}"),
                ("test", f".stamps/{package}.test", f"{dist} {sources}"),
            ):
                stamp = "" if task == "build" else f" && : >../../{made}"
                out.append(f"build {made}: r {reads}\n  p = {package}\n  t = {task}\n  then ={stamp and ' $' + stamp}")
        return {"build.ninja": "\n".join(out) + "\n"}

    def run(self, jobs: int) -> list[str]:
        return [self.program, f"-j{jobs}", "--quiet"]


class Make(Tool):
    name, caches, restores = "make", [".stamps"], False

    def install(self) -> None:
        self.program = shutil.which("make") or ""
        if not self.program:
            raise install.Unavailable("no make on this machine")

    def files(self, mono: Mono) -> dict[str, str]:
        goals = " ".join(f".stamps/{p}.{t}" for p in mono.packages for t in ("lint", "test"))
        out = ["MAKEFLAGS += -rR", ".SUFFIXES:", f"all: {goals}", "\t@:", ".PHONY: all"]
        out.append("$(shell [ -d .stamps ] || mkdir .stamps)")
        for package in mono.packages:
            dist, go = f"packages/{package}/dist/out.txt", f"\t@cd packages/{package} && sh ../../scripts"
            below = " ".join(f"packages/{p}/dist/out.txt" for p in mono.depends[package])
            out.append(f"S_{package} := {own_sources(mono, package)}")
            out.append(f".stamps/{package}.lint: $(S_{package})\n{go}/lint.sh && : >../../$@")
            out.append(f"{dist}: $(S_{package}) {below}\n{go}/build.sh")
            out.append(f".stamps/{package}.test: {dist} $(S_{package})\n{go}/test.sh && : >../../$@")
        return {"Makefile": "\n".join(out) + "\n"}

    def run(self, jobs: int) -> list[str]:
        return [self.program, "-rR", "-s", f"-j{jobs}", "all"]


class Task(Tool):
    """go-task, by checksums."""

    name, caches, restores = "task", [".task"], False

    def install(self) -> None:
        self.program = str(install.python("go-task-bin") / "task")

    def files(self, mono: Mono) -> dict[str, str]:
        goals = ", ".join(f"{p}-{t}" for p in mono.packages for t in ("lint", "test"))
        out = ["version: '3'", "silent: true", "tasks:", f"  default:\n    deps: [{goals}]"]
        for package, needs in mono.depends.items():
            below = [f"../{p}/dist/out.txt" for p in needs]
            for task, reads, deps in (
                ("lint", [], []),
                ("build", below, [f"{p}-build" for p in needs]),
                ("test", ["dist/out.txt"], [f"{package}-build"]),
            ):
                out.append(f"  {package}-{task}:\n    dir: packages/{package}\n    run: once")
                out.append(f"    sources: {json.dumps(['src/*', *reads])}\n    deps: {json.dumps(deps)}")
                out += ["    generates: [dist/out.txt]"] if task == "build" else []
                out.append(f"    cmds: [sh ../../scripts/{task}.sh]")
        return {"Taskfile.yml": "\n".join(out) + "\n"}

    def run(self, jobs: int) -> list[str]:
        return [self.program, "--concurrency", str(jobs), "--silent"]


def own_sources(mono: Mono, package: str) -> str:
    names = ["depends", *(f"f{n:02}.txt" for n in range(mono.files - 1))]
    return " ".join(f"packages/{package}/src/{name}" for name in names)
