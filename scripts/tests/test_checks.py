"""The checks of scripts/ can fail: each is shown something wrong."""

import importlib.machinery
import importlib.util
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
        self.assertEqual(self.check(good + "[e](https://example.org/x) `[no](link)`\n\n```\n[no](link)\n```\n[r]: docs\n"), [])

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
        for good in ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR MIT", "(MIT OR X) AND Apache-2.0", "Apache-2.0 WITH LLVM-exception"]:
            self.assertTrue(allowed(good, allow), good)
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR X) AND X", "GPL-2.0 WITH LLVM-exception", "(MIT", "MIT X"]:
            self.assertFalse(allowed(bad, allow), bad)

    def test_bans_and_sources(self):
        rules = {"licenses": {"allow": ["MIT"]}, "bans": {"deny": [{"crate": "bad", "reason": "old"}]}}
        package = {"version": "1", "license": "MIT", "source": None}
        complaints = load("check-dependencies").complaints
        self.assertEqual(complaints([package | {"name": "good"}], rules), [])
        wrong = complaints([package | {"name": "bad"}, package | {"name": "g", "source": "git+https://example.org/x"}], rules)
        self.assertEqual(len(wrong), 2)


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
