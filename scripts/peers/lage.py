"""lage."""

import json
import pathlib

from peers.mono import TASKS, Mono
from peers.npm import QUIET, Npm, manifests, npm_lock


LAGE_WORKER = """const { spawn } = require('child_process');
const fs = require('fs');
module.exports = async function ({ target }) {
  const { scripts } = JSON.parse(fs.readFileSync(target.cwd + '/package.json', 'utf8'));
  return new Promise((done, failed) => {
    const child = spawn('sh', ['-c', scripts[target.task]], { cwd: target.cwd, stdio: 'inherit' });
    child.on('exit', (code) => (code ? failed(new Error(String(code))) : done()));
  });
};
"""
LAGE_CONFIG = """const worker = require('path').join(__dirname, 'worker.js');
const own = { type: 'worker', options: { worker }, inputs: ['src/**'], outputs: [] };
module.exports = {
  npmClient: 'npm',
  cacheOptions: { environmentGlob: ['lage.config.js'], cacheStorageConfig: { provider: 'local' } },
  pipeline: {
    lint: own,
    build: { ...own, dependsOn: ['^build'], outputs: ['dist/**'] },
    test: { ...own, dependsOn: ['build'] },
  },
};
"""


class Lage(Npm):
    """With its worker runner: `npm run` for each task would cost far more."""

    name, caches = "lage", ["node_modules/.cache"]

    def prepare(self, folder: pathlib.Path) -> None:
        (folder / "node_modules").mkdir()

    def version_command(self) -> None:
        return None

    def version(self) -> str:
        return self.pinned("lage")

    def env(self) -> dict[str, str]:
        return QUIET

    def files(self, mono: Mono) -> dict[str, str]:
        config = {"worker.js": LAGE_WORKER, "lage.config.js": LAGE_CONFIG}
        return manifests(mono, "1.0.0") | npm_lock(mono) | config

    def run(self, jobs: int) -> list[str]:
        quiet = ["--reporter", "basic", "--no-progress"]
        return [self.program, "run", *TASKS, "--concurrency", str(jobs), *quiet]

    def affected(self) -> list[str]:
        return [self.program, "info", "build", "--since", "HEAD~1"]

    def affected_packages(self, said: str) -> set[str]:
        return set(json.loads(said)["data"]["scope"])
