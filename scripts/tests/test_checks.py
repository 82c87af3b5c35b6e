"""The checks of scripts/ can fail: each is shown something wrong."""

import gzip
import importlib.machinery
import importlib.util
import json
import pathlib
import subprocess
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[1]


def load(name: str):
    """A script without `.py` as a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(SCRIPTS / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


class Links(unittest.TestCase):
    def check(self, text: str) -> list[str]:
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name).resolve()
            (root / "docs").mkdir()
            (root / "docs/a b.md").write_text("# One `two` & three\n\n# Twice\n\n# Twice\n\n```\n# not one\n```\n")
            (root / "README.md").write_text(text)
            return load("check-links").broken(root, root / "README.md")

    def test_good_links_pass(self):
        good = "[a](docs/a%20b.md) [b](docs/a%20b.md#one-two--three) [c](docs/a%20b.md#twice-1) [d](#here)\n# Here\n"
        self.assertEqual(
            self.check(good + "[e](https://example.org/x) `[no](link)`\n\n```\n[no](link)\n```\n[r]: docs\n"), []
        )

    def test_bad_links_are_found(self):
        bad = {
            "[a](docs/b.md)": "leads nowhere",
            "[a](../README.md)": "leads nowhere",
            "![picture](x.png)": "leads nowhere",
            "[![badge](y.svg)](docs)": "leads nowhere",
            "[a](docs/a%20b.md#not-one)": "no such heading",
            "[r]: nowhere.md": "leads nowhere",
        }
        for text, expected in bad.items():
            with self.subTest(text):
                self.assertEqual([line.endswith(expected) for line in self.check(f"\n{text}\n")], [True])


class Dependencies(unittest.TestCase):
    def test_licence_expressions(self):
        allowed = load("check-dependencies").allowed
        allow = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"}
        for good in [
            "MIT",
            "MIT/GPL-3.0",
            "GPL-3.0 OR MIT",
            "(MIT OR X) AND Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
        ]:
            self.assertTrue(allowed(good, allow), good)
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR X) AND X",
            "GPL-2.0 WITH LLVM-exception",
            "(MIT",
            "MIT X",
        ]:
            self.assertFalse(allowed(bad, allow), bad)

    def test_bans_and_sources(self):
        rules = {"licenses": {"allow": ["MIT"]}, "bans": {"deny": [{"crate": "bad", "reason": "old"}]}}
        package = {"version": "1", "license": "MIT", "source": None}
        complaints = load("check-dependencies").complaints
        self.assertEqual(complaints([package | {"name": "good"}], rules), [])
        wrong = complaints(
            [package | {"name": "bad"}, package | {"name": "g", "source": "git+https://example.org/x"}], rules
        )
        self.assertEqual(len(wrong), 2)


    def test_unused(self):
        manifest = {
            "package": {"metadata": {"cargo-machete": {"ignored": ["kept-sys"]}}},
            "dependencies": {"used-one": "1", "idle": "1", "kept-sys": "1"},
            "dev-dependencies": {"only-tests": "1"},
        }
        wrong = load("check-dependencies").unused(manifest, "use used_one::X;", "only_tests::x()")
        self.assertEqual(wrong, ["idle: no code uses it"])


class Filters(unittest.TestCase):
    def test_github(self):
        translate = load("check-filters").github
        cases = {
            "src/**": ["src/**"],
            "**.md": ["**/*.md"],
            "src/**.py": ["src/**/*.py"],
            "src/a**.py": ["src/a*.py", "src/a*/**/*.py"],
            "vendor/x**": ["vendor/x*", "vendor/x*/**"],
            "*.ya?ml": ["*.y{a,}ml"],
            "a{b}": ["a\\{b\\}"],
            "!**.snap": ["!**/*.snap"],
        }
        for pattern, expected in cases.items():
            self.assertEqual(translate("gha-paths", [pattern]), expected)
        self.assertEqual(translate("gha-paths-ignore", ["*.md", "docs/**"]), ["**", "!*.md", "!docs/**"])

    def test_dorny(self):
        checks = load("check-filters")
        self.assertEqual(
            checks.dorny(["!**/*.md", "a/**", "b*/**", "c/**.py"], "some"),
            ["**", "!**/*.md", "a", "b*", "b*/**", "c/*.py"],
        )
        for patterns, quantifier in ((["a", "b"], "every"), (["!a", "!b"], "some"), (["!(a)b"], "some")):
            with self.assertRaises(checks.Untranslatable):
                checks.dorny(patterns, quantifier)

    def test_exact(self):
        self.assertEqual(load("check-filters").exact(["a/bc", "x*", "!d", "{a,b}"]), ["a/b[c]", "x*", "![d]", "{a,b}"])


class Replay(unittest.TestCase):
    """A made-up history through the real script, with wfs that are known to be right or wrong."""

    HISTORY = [
        [
            "lint build test docs security",
            [["M", "100644", "100644", "Cargo.lock"], ["A", "000000", "100755", "build.rs"]],
        ],
        ["docs", [["M", "100644", "100644", "README.md"]]],
        [
            "lint build test docs",
            [
                ["R090", "100644", "100644", 'crates/a "b".rs', "crates/\u00fc/c.rs"],
                ["D", "100755", "000000", "build.rs"],
            ],
        ],
        ["", []],
    ]

    def replay(self, *answers: str) -> subprocess.CompletedProcess:
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            (root / "replay").mkdir()
            for history in ("BurntSushi+ripgrep", "pallets+flask", "GoogleCloudPlatform+microservices-demo"):
                entries = self.HISTORY if "ripgrep" in history else []
                with gzip.open(root / f"replay/{history}.jsonl.gz", "wt") as file:
                    for n, (_, files) in enumerate(entries):
                        file.write(json.dumps({"sha": f"{n:040}", "cls": "some", "files": files}) + "\n")
            steps = ["lint", "build", "test", "docs", "security"]
            plans = [
                {
                    "change": {"type": "t"},
                    "steps": [
                        {"id": s, "decision": {"run": {"because": "no-base"}} if s in a.split() else {"skip": {}}}
                        for s in steps
                    ],
                }
                for a in answers
            ]
            (root / "plans").write_text("".join(json.dumps(plan) + "\n" for plan in plans))
            wf = root / "wf"
            wf.write_text(f"#!/bin/sh\nread -r line <{root}/plans; sed -i 1d {root}/plans; printf '%s' \"$line\"\n")
            wf.chmod(0o755)
            command = [str(SCRIPTS / "bench-replay"), str(root), "--wf", str(wf), "--json", str(root / "out.json")]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            self.numbers = json.loads((root / "out.json").read_text())["tables"]["repository"]["all"]
            return done

    def test_what_the_oracle_says_passes(self):
        done = self.replay(*(steps for steps, _ in self.HISTORY))
        self.assertEqual((done.returncode, self.numbers["wrong"], self.numbers["needless"]), (0, 0, 0), done.stderr)
        self.assertEqual((self.numbers["commits"], self.numbers["saved"]), (4, 300 + 40 + 330))

    def test_a_wrong_skip_fails(self):
        answers = [steps for steps, _ in self.HISTORY]
        answers[2] = "lint build docs security"
        self.assertEqual((self.replay(*answers).returncode, self.numbers["wrong"], self.numbers["needless"]), (1, 1, 1))


class Gate(unittest.TestCase):
    def gate(self, *arguments: str, **env: str) -> subprocess.CompletedProcess:
        command = ["env", *(f"{k}={v}" for k, v in env.items()), str(SCRIPTS / "test"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def test_unknown_suites_are_refused(self):
        self.assertEqual(self.gate("no-such-suite").returncode, 2)

    def test_a_used_up_budget_fails(self):
        self.assertNotEqual(self.gate("links", WF_TEST_BUDGET="-1").returncode, 0)

    def test_a_skip_is_said_and_fails_only_where_asked(self):
        with tempfile.TemporaryDirectory() as bin:
            for tool in ["bash", "dirname", "timeout"]:
                path = subprocess.run(["sh", "-c", f"command -v {tool}"], capture_output=True, text=True).stdout.strip()
                if path:
                    (pathlib.Path(bin) / tool).symlink_to(path)
            self.assertEqual((lenient := self.gate("links", PATH=bin, WF_REQUIRE="")).returncode, 0, lenient.stderr)
            self.assertIn("SKIPPED links: no python3", lenient.stdout)
            self.assertNotEqual(self.gate("links", PATH=bin, WF_REQUIRE="all").returncode, 0)


if __name__ == "__main__":
    unittest.main()
