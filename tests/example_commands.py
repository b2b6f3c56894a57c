"""Checks of the command lines in the documentation: what they name exists."""

import importlib.util
import re
import subprocess
from itertools import pairwise
from pathlib import Path

from examples import ROOT, Block
from typer.main import get_command

from sqspeech import cli
from sqspeech.extras import DEVELOPMENT, requirements

# Programs of others and words of the shell, whose options are theirs.
FOREIGN = {".", "cat", "cd", "cut", "dask", "do", "done", "for", "ln", "sbatch", "trap", "unzip", "wait"}


def check_command(words: list[str], block: Block, written: set[str]) -> None:
    """Assert that a command, its options, and the files of the repository that it names exist.

    `written` are the files that pages have as a block.
    """
    program, *arguments = words[3:] if words[0] == "run_stage" else words
    if "-m" in arguments and program in ("python", "torchrun"):
        module, *rest = arguments[arguments.index("-m") + 1 :]
        assert importlib.util.find_spec(module), f"no module {module}"
        program, arguments = ("sqspeech", rest) if module == "sqspeech.cli" else ("cd", [])
    if program == "sqspeech":
        _check_sqspeech(arguments, block, written)
    elif program in ("make", "pip"):
        _check_targets(program, arguments)
    elif program.endswith("run.sh"):
        _check_recipe(_find(program, block), arguments)
    elif program == "python":
        assert arguments[0] in written or _find(arguments[0], block)
    else:
        assert program in FOREIGN or _find(program, block)


def _check_sqspeech(arguments: list[str], block: Block, written: set[str]) -> None:
    if arguments and not arguments[0].startswith("-"):
        # An unknown option, a value of another type or a lacking argument is an error.
        local = [argument.removeprefix("hf://") for argument in arguments[1:]]  # nothing is downloaded
        get_command(cli.app).commands[arguments[0]].make_context(arguments[0], local)
    for option, value in pairwise(arguments):
        assert option != "--config" or value in written or _find(value, block)


def _check_targets(program: str, arguments: list[str]) -> None:
    if program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {*arguments} <= {*targets, ".venv/.installed"}, arguments
    for extras in re.findall(r"\[(.*?)\]", " ".join(arguments)):
        assert {*extras.split(",")} <= requirements().keys() | DEVELOPMENT, extras


def _check_recipe(script: Path, arguments: list[str]) -> None:
    known = subprocess.run([script, "--help"], check=True, capture_output=True, text=True).stdout
    for option in arguments:
        assert not option.startswith("--") or f"  {option.partition('=')[0]} (" in known, f"{script}: no {option}"


def _find(name: str, block: Block) -> Path:
    """Return the file of the repository that a page means: from the root, or from the folder of the page."""
    pattern = re.sub(r"\$\w+", "*", name)
    found = [path for folder in (ROOT, block.page.parent) for path in folder.glob(pattern)]
    assert found, f"{block.page}:{block.line}: {name} is not in the repository"
    return found[0]
