"""The comparison with other tools, the crash test and the many runs can fail: each is shown a wf that is wrong."""

import contextlib
import io
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(SCRIPTS / "lib"), str(SCRIPTS)]

import pipeline  # noqa: E402
from measure import Failed, Took, once  # noqa: E402
from peers import install, judge, mono, native, rounds  # noqa: E402
from peers.lage import Lage  # noqa: E402
from peers.moon import Moon  # noqa: E402


class Folder(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.place = pathlib.Path(scratch.name).resolve()

    def fake(self, name: str = "wf") -> str:
        """A wf that is right, or wrong by its name."""
        return shutil.copy(SCRIPTS / "tests/fake_wf.py", self.place / name)


class Shape(Folder):
    def test_layers_are_a_graph_without_loops_and_the_same_every_time(self):
        for count in (1, 10, 100, 1000):
            one = mono.shape(count)
            self.assertEqual((one, len(one.packages)), (mono.shape(count), count))
            before: set[str] = set()
            for package, needs in one.depends.items():
                self.assertLessEqual(set(needs), before - {package})
                before.add(package)

    def test_edits_reach_what_is_above(self):
        small = mono.Mono({"a": [], "b": [], "c": ["a"], "d": ["b", "c"], "e": []})
        self.assertEqual((small.above("a"), small.above("e")), ({"c", "d"}, set()))
        self.assertEqual((small.root(), small.leaf(), small.middle()), ("a", "e", "c"))
        self.assertEqual((small.tasks_after("a"), small.tasks_after("e"), small.tasks_after(None)), (7, 3, 0))

    def test_outputs_are_what_the_scripts_make(self):
        small, log = mono.shape(4, files=2, size=10), self.place / "log"
        mono.make(self.place / "repo", small, {}, log)
        self.assertEqual(mono.wrong_outputs(self.place / "repo", small), small.packages)
        for package in small.packages:
            for task in mono.TASKS:
                home = self.place / "repo/packages" / package
                subprocess.run(["sh", f"../../scripts/{task}.sh"], cwd=home, check=True, env={"PATH": "/usr/bin:/bin"})
        self.assertEqual(mono.wrong_outputs(self.place / "repo", small), [])
        self.assertEqual(log.read_text().split()[:3], ["p0000:lint", "p0000:build", "p0000:test"])
        mono.edit(self.place / "repo", small.packages[-1], "new")
        self.assertEqual(mono.wrong_outputs(self.place / "repo", small), [small.packages[-1]])


class Measuring(Folder):
    def test_what_fails_or_takes_too_long_is_no_number(self):
        self.assertGreater(once(["sleep", "0.01"], self.place).wall, 0.009)
        with self.assertRaisesRegex(Failed, "ended with 3:\nwhy"):
            once(["sh", "-c", "echo why >&2; exit 3"], self.place)
        with self.assertRaisesRegex(Failed, "longer than 0.1 s"):
            once(["sh", "-c", "sleep 60; true"], self.place, limit=0.1)


class Rounds(Folder):
    def measured(self, wf: str, *rows: str) -> rounds.Rounds:
        make = native.Make()
        make.install()
        with contextlib.redirect_stderr(io.StringIO()):  # how far it is
            return rounds.Rounds(self.place / "rounds", 4, [native.Wf(wf), make], 2, 1).measure(list(rows))

    def test_the_right_tasks_are_no_complaint(self):
        runs = self.measured(self.fake(), "version", "cold", "warm", "leaf", "root", "restore")
        self.assertEqual(runs.wrong, [])
        self.assertEqual(runs.cells["make", "cold"].ran, [12, 12])
        self.assertNotIn(("make", "restore"), runs.cells)
        self.assertGreater(runs.ratio("wf", "make", "warm"), 0)
        self.assertIsNone(runs.ratio("wf", "turbo", "warm"))

    def test_a_tool_that_runs_too_much_is_named(self):
        runs = self.measured(self.fake("wf-forgets"), "warm")
        self.assertEqual(runs.wrong, [("wf", "4 packages, warm: 12 tasks ran instead of 0")])
        self.assertIn("(ran 12)", judge.report({4: runs}, []))

    def test_a_wrong_output_is_named(self):
        ((tool, what),) = self.measured(self.fake("wf-wrong"), "restore").wrong
        self.assertEqual((tool, "outputs are wrong" in what), ("wf", True))

    def test_a_tool_that_fails_takes_no_further_part(self):
        runs = self.measured("false", "cold", "warm")
        self.assertEqual([tool for tool, _ in runs.wrong], ["wf"])
        self.assertEqual(len(runs.cells["make", "warm"].runs), 1)


class Judge(unittest.TestCase):
    def runs(self, count: int, times: dict[tuple[str, str], float]) -> rounds.Rounds:
        """Three rounds, of which the last was disturbed for both sides alike."""
        runs = rounds.Rounds(pathlib.Path("none"), count, [native.Wf("wf")], 2)
        for key, wall in times.items():
            runs.cells[key] = cell = rounds.Cell()
            cell.runs = {n: Took(wall * n, wall, 50e6) for n in (1, 2, 3)}
        return runs

    def test_targets(self):
        few = self.runs(100, {("wf", "warm"): 0.012, ("wf", "version"): 0.001, ("wf", "cold"): 1})
        many = self.runs(
            1000,
            {("wf", "warm"): 0.1, ("turbo", "warm"): 1, ("wf", "leaf"): 0.2, ("turbo", "leaf"): 1, ("wf", "cold"): 11},
        )
        found = {v.what: (v.value and round(v.value, 3), v.met) for v in judge.targets({100: few, 1000: many})}
        self.assertEqual(found["no-op, 1,000 packages, to turbo"], (0.1, True))
        self.assertEqual(found["leaf edit, 1,000 packages, to turbo"], (0.2, False))
        self.assertEqual(found["no-op at 100 packages, above process start"], (22.0, False))
        self.assertEqual(found["growth of no-op from 100 to 1,000 packages"], (8.333, True))
        self.assertEqual(found["growth of cold from 100 to 1,000 packages"], (11, False))
        self.assertEqual(found["peak memory of a no-op, 1,000 packages"], (50, True))
        self.assertEqual(found["cold, 1,000 packages, to ninja"], (None, None))

    def test_slope(self):
        sizes = {n: self.runs(n, {("wf", "warm"): 0.005 + 0.00006 * n}) for n in (10, 100, 1000)}
        self.assertAlmostEqual(judge.slope(sizes), 0.04)
        self.assertIsNone(judge.slope({10: sizes[10]}))


class Tools(Folder):
    def test_every_tool_says_what_there_is(self):
        small = mono.Mono({"p0000": [], "p0001": ["p0000"]}, files=2)
        for tool in (native.Wf("wf"), native.Ninja(), native.Make(), native.Task(), Moon()):
            text = "".join(f"{path}\n{text}" for path, text in tool.files(small).items())
            for word in ("p0000", "p0001", "lint", "build", "test"):
                self.assertIn(word, text, tool.name)
            self.assertNotIn(word := "$$", text.replace("$@", ""), f"{tool.name}: {word}")

    def test_answers_about_the_affected(self):
        said = '{"projects": [{"id": "p0001", "config": {"dependsOn": ["p0000"]}}]}'
        self.assertEqual(Moon().affected_packages(said), {"p0001"})
        self.assertEqual(Lage().affected_packages('{"data": {"scope": ["p0001"], "tasks": "p0000"}}'), {"p0001"})
        step = '{"id": "%s@packages/p000%d", "decision": {"%s": {"because": "%s"}}}'
        steps = [("lint", 1, "run", "changed"), ("lint", 0, "skip", "unaffected"), ("build", 2, "run", "outputs-needed")]
        said = '{"steps": [%s]}' % ", ".join(step % one for one in steps)
        self.assertEqual(native.Wf("wf").affected_packages(said), {"p0001"})

    def test_lock_files_are_exact_and_name_no_registry(self):
        for lock in sorted((SCRIPTS / "peers/npm").glob("*/package-lock.json")):
            text = lock.read_text()
            self.assertIsNone(re.search(r"https?://[^\"]*\.tgz|registry", text), lock)
            manifest = (lock.parent / "package.json").read_text()
            self.assertIsNone(re.search(r'"[\^~>*]', manifest), lock)

    def test_a_second_failure_is_said(self):
        tries = []
        fill = lambda: tries.append(1) or subprocess.run(["sh", "-c", "echo no >&2; false"], check=True, capture_output=True)
        with self.assertRaisesRegex(install.Unavailable, "thing cannot be installed: no"):
            install.attempt("thing", self.place / "thing", fill)
        self.assertEqual((len(tries), (self.place / "thing/complete").exists()), (2, False))
        install.attempt("thing", self.place / "thing", lambda: None)
        self.assertTrue((self.place / "thing/complete").exists())


class Storms(Folder):
    def script(self, name: str, wf: str, *words: str) -> subprocess.CompletedProcess:
        command = [str(SCRIPTS / name), "--wf", wf, "--packages", "4", *words]
        env = {"PATH": "/usr/bin:/bin:" + str(pathlib.Path(sys.executable).parent), "TMPDIR": str(self.place)}
        return subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)

    def test_a_right_wf_passes(self):
        for name, words in (("crash-test", ["--kills", "3"]), ("many-runs", ["--runs", "3", "--rounds", "1"])):
            with self.subTest(name):
                done = self.script(name, self.fake(f"wf-{name}"), *words)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(list(self.place.glob("wf-*/")), [])

    def test_wrong_ones_fail(self):
        told = {"wf-torn": "cache verify", "wf-wrong": "wrong outputs", "wf-forgets": "tasks ran again|steps ran|tasks ran instead"}
        for fault, words in told.items():
            wf = self.fake(fault)
            for name, small in (("crash-test", ["--kills", "2"]), ("many-runs", ["--runs", "2", "--rounds", "1"])):
                with self.subTest(f"{name} {fault}"):
                    done = self.script(name, wf, *small)
                    self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                    self.assertRegex(done.stdout, words)

    def test_the_picture_of_a_store_changes_with_its_files_but_not_with_its_lock(self):
        store = self.place / "store"
        self.assertEqual(pipeline.written(store), {})
        (store / "cas/ab").mkdir(parents=True)
        before = pipeline.written(store)
        (store / "lock").touch()
        self.assertEqual(pipeline.written(store), before)
        (store / "cas/ab/cd").write_text("x")
        self.assertNotEqual(pipeline.written(store), before)
        shutil.rmtree(store)


if __name__ == "__main__":
    unittest.main()
