from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from corpus import write_corpus

from sqspeech.corpus import Workers
from sqspeech.data_checks import matrices, recordings

TABLES = ("wav.scp", "utt2spk", "spk2utt", "text", "spk2gender")


def map_here(function: Callable, items: Iterable, workers: Workers, *, died: Callable) -> Iterator:
    """As sqspeech.corpus.map_in_order, without its processes, which take a second to start."""
    return map(function, items)


@pytest.fixture(scope="module")
def without_processes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recordings, "map_in_order", map_here)
        patch.setattr(matrices, "map_in_order", map_here)
        yield


@pytest.fixture(scope="session")
def sound_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with nothing wrong, its audio named by relative paths; not to be changed."""
    folder = write_corpus(tmp_path_factory.mktemp("sound") / "data", range(3), {"f1": 210.0, "m1": 120.0})
    ids = [f"{speaker}-{sentence:02}" for speaker in ("f1", "m1") for sentence in range(3)]
    (folder / "wav.scp").write_text("".join(f"{utt_id} {utt_id}.wav\n" for utt_id in ids))
    return folder


@pytest.fixture
def data(sound_corpus: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil; the audio is shared until a test replaces it."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in TABLES:
        (folder / name).write_bytes((sound_corpus / name).read_bytes())
    for file in sound_corpus.glob("*.wav"):
        (folder / file.name).symlink_to(file)
    return folder
