"""The examples of the documentation: the blocks of its pages, and a folder in which they run.

A Python block runs. A shell block runs where `<!-- run -->` stands before it; of the others the commands are checked
(see `example_commands`). `<!-- not run: REASON -->` stands before a block of Python that cannot run in the tests. A
block whose first line is `# NAME.yaml` or `# NAME.py` is that file. Blocks without a language are output.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import soundfile
import yaml
from corpus import voice
from typer.testing import CliRunner

from sqspeech import cli, registry
from sqspeech.training.tasks.base import load_task_config

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for pattern in ("README.md", "docs/**/*.md", "sqspeech/*/README.md", "recipes/*/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
)
BLOCK = re.compile(r"(?:^<!-- ([^\n]*) -->\n+)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# (\w+\.(?:py|yaml))\n")
RECORDINGS = ("talk.wav", "recipes/mini/data/wav/m1/m1-067.wav")


class Block(NamedTuple):
    page: Path
    line: int
    language: str
    text: str
    mark: str = ""

    @property
    def file(self) -> str | None:
        found = FILE.match(self.text)
        return found[1] if found else None

    @property
    def runs(self) -> bool:
        if self.language == "python":
            return not self.mark.startswith("not run: ")
        return self.language == "sh" and self.mark == "run"

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command of a shell block; a variable is a number, except in the name of a file."""
        text = re.sub(r"\$\{?\w+\b\}?(?!\.yaml)", "1", self.text.replace("\\\n", " "))
        lines = [shlex.split(line, comments=True) for line in text.splitlines()]
        return [[word for word in line if word != "&"] for line in lines if line and not re.match(r"\w+=", line[0])]


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start(3)) + 1, found[2], found[3], found[1] or "")
        for found in BLOCK.finditer(text)
    ]


def run(block: Block, names: dict[str, object]) -> None:
    """Run a block in the current folder, or check what it says in YAML or TOML; blocks of Python share `names`."""
    if block.file:
        Path(block.file).write_text(block.text, encoding="utf-8")
    if block.language == "yaml":
        load_task_config(Path(block.file)) if block.file else yaml.safe_load(block.text)
    elif block.language == "toml":
        assert registry.ENTRY_POINTS in tomllib.loads(block.text)["project"]["entry-points"]
    elif block.language == "python" and block.runs and not block.file:
        # At its place in the page, for the traceback.
        exec(compile("\n" * (block.line - 1) + block.text, block.page, "exec"), names)
    elif block.language == "sh" and block.runs:
        for words in block.commands:
            _run_command(words)


def _run_command(words: list[str]) -> None:
    if words[0] == "sqspeech":
        outcome = CliRunner().invoke(cli.app, words[1:], catch_exceptions=False)
        assert outcome.exit_code == 0, outcome.output
    else:
        program = sys.executable if words[0] == "python" else words[0]
        done = subprocess.run([program, *words[1:]], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def prepare(folder: Path, experiment: Path) -> None:
    """Make the folder in which examples run: a small experiment in the place of the demo's, and of one's own."""
    shutil.copytree(ROOT / "recipes", folder / "recipes", ignore=shutil.ignore_patterns("exp", "data", "dump", "*.png"))
    for sentence, path in enumerate(RECORDINGS):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / path, voice(120.0, sentence), 16000)
    for place in ("recipes/mini/exp/demo", "exp/mine", "exp"):
        (folder / place).mkdir(parents=True, exist_ok=True)
        shutil.copy(experiment / "exp/best.ckpt", folder / place)
    shutil.copy(experiment / "exp/best.ckpt", folder / "recipes/mini/exp/demo/speech.ckpt")
    (folder / "data").symlink_to(experiment / "corpus")
    (folder / "dump").symlink_to(experiment / "dump")
    (folder / "recipes/mini/data/test").symlink_to(experiment / "corpus/test")
