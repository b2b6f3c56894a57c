import pytest
from corpus import SPEAKERS

from sqspeech.data.data_dir import DataDir
from sqspeech.evaluation.conversion.pairs import parallel_pairs


@pytest.fixture(scope="module")
def data(experiment) -> DataDir:
    return DataDir.read(experiment.root / "corpus/test")


def test_pairs_are_all_of_opposite_gender_with_the_same_text(data):
    pairs = list(parallel_pairs(data))
    assert {(s.spk_id, t.spk_id) for s, t in pairs} == {(a, b) for a in SPEAKERS for b in SPEAKERS if a[0] != b[0]}
    assert len(pairs) == 8
    assert all(s.text == t.text for s, t in pairs)
    assert len({s.text for s, _ in pairs}) == 2


def test_without_genders_all_pairs_count(data):
    assert len(list(parallel_pairs(DataDir(data.utterances)))) == 12
