"""A sound submission of both languages, of a tiny model on a synthetic corpus."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from trained import Experiment

from sqspeech.conversion import Converter
from sqspeech.data.data_dir import DataDir
from sqspeech.submission import Metadata, Part, Representation, build, plan

KINDS = (Representation.vectors, Representation.posteriors, Representation.continuous)
METADATA = Metadata(
    author="A. Uthor",
    affiliation="Université de Z",
    code="https://example.org/code",
    distance="dtw_cosine",
    description="a system: of a kind",
    auxiliary=[kind.value for kind in KINDS[1:]],
)


class Sound(NamedTuple):
    """`root` is the tree, `parts` what was wanted, `data` the prepared folders by language."""

    root: Path
    parts: tuple[Part, Part]
    data: dict[str, Path]


def prepare(corpus: Path, data: Path, voices: tuple[str, ...]) -> Path:
    """Write a prepared folder: test, and for each voice one utterance of each of two speakers."""
    test = DataDir.read(corpus)
    test.write(data / "test")
    for index, voice in enumerate(voices):
        test.subset([f"f1-0{4 + index}", f"m2-0{4 + index}"]).write(data / f"synthesis_{voice}")
    return data


@pytest.fixture(scope="session")
def made(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """Both languages; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    corpus = experiment.root / "corpus/test"
    voices = {"english": ("f2", "m1"), "surprise": ("f2",)}
    data = {language: prepare(corpus, folder / language, names) for language, names in voices.items()}
    converter = Converter.load(experiment.checkpoint)
    parts = tuple(plan(data[language], language) for language in voices)
    for part in parts:
        assert not build(converter, part, folder / "submission", KINDS).reasons
    METADATA.write(folder / "submission")
    return Sound(folder / "submission", parts, data)


@pytest.fixture
def sound(made: Sound, tmp_path: Path) -> Sound:
    """A copy to be damaged."""
    return made._replace(root=Path(shutil.copytree(made.root, tmp_path / "submission")))
