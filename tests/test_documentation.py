"""The examples of the README, of docs/ and of the folders' pages run, and their commands exist (see `examples`)."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from example_commands import check_command
from examples import PAGES, ROOT, Block, blocks, prepare, run

from sqspeech.models.base import DECODERS, ENCODERS
from sqspeech.quantizers.base import QUANTIZERS
from sqspeech.training.tasks.base import TASKS
from sqspeech.units import FORMATS
from sqspeech.vocoders import VOCODERS

REGISTRIES = (QUANTIZERS, VOCODERS, FORMATS, TASKS, ENCODERS, DECODERS)
BLOCKS = {page: blocks(page) for page in PAGES}
SHELL = [block for found in BLOCKS.values() for block in found if block.language == "sh"]
FILES = {block.file for found in BLOCKS.values() for block in found if block.file}
RUNNING = [page for page, found in BLOCKS.items() if any(block.runs or block.file for block in found)]


def name(item: Path | Block) -> str:
    return str(item.relative_to(ROOT)) if isinstance(item, Path) else f"{item.page.relative_to(ROOT)}:{item.line}"


@pytest.fixture
def folder(tmp_path, monkeypatch, experiment, hub) -> Iterator[Path]:
    """The folder of the examples; what they register and import is forgotten afterwards."""
    prepare(tmp_path, experiment.root)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for registry in REGISTRIES:
        registry.names()  # what the package registers is there
        monkeypatch.setattr(registry, "_classes", dict(registry._classes))
        monkeypatch.setattr(registry, "_configs", dict(registry._configs))
    yield tmp_path
    for file in FILES:
        sys.modules.pop(Path(file).stem, None)


@pytest.mark.parametrize("page", RUNNING, ids=name)
def test_the_examples_of_a_page_run_one_after_another(page, folder):
    names: dict[str, object] = {"__name__": "example"}
    for block in BLOCKS[page]:
        torch.manual_seed(0)
        run(block, names)


@pytest.mark.parametrize("block", SHELL, ids=name)
def test_the_commands_of_a_page_exist_with_their_options(block):
    for words in block.commands:
        check_command(words, block, FILES)


@pytest.mark.parametrize(
    "line",
    [
        "sqspeech units a.ckpt b.wav -o u --fromat npz",
        "sqspeech convert a.ckpt",
        "sqspeech train dump exp --config recipes/mini/conf/none.yaml",
        "python -m data_prep.timit a b",
        "recipes/mini/run.sh --stages 3",
        "make nothing",
        "pip install '.[nothing]'",
        "unknown --option",
    ],
)
def test_a_command_that_is_wrong_is_found(line):
    block = Block(ROOT / "README.md", 1, "sh", line)
    with pytest.raises(Exception, match=r"."):
        check_command(block.commands[0], block, set())


def test_every_file_of_python_is_imported_or_called_on_its_page():
    for page, found in BLOCKS.items():
        for file in (block.file for block in found if block.file and block.language == "python"):
            assert any(Path(file).stem in block.text for block in found if block.file != file), f"{page}: {file}"


def test_there_is_an_example_of_every_quantiser():
    examples = "".join(block.text for block in BLOCKS[ROOT / "sqspeech/quantizers/README.md"])
    for registered in map(QUANTIZERS.__getitem__, QUANTIZERS.names()):
        assert f"{registered.__name__}(" in examples
