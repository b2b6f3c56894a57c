import numpy as np
import pytest

from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.leakage import histograms, speaker_leakage
from sqspeech.units import UnitInfo, Units, UnitSet


def corpus(distance: float, counts: tuple[int, ...] = (12, 9, 9), size: int = 6):
    """Normal vectors around a mean per speaker."""
    random = np.random.default_rng(0)
    features, speakers = {}, {}
    for speaker, count in enumerate(counts):
        mean = distance * random.normal(size=size)
        for utterance in range(count):
            features[f"s{speaker}-{utterance:02}"] = mean + random.normal(size=size)
            speakers[f"s{speaker}-{utterance:02}"] = f"s{speaker}"
    return features, speakers


def test_speakers_far_apart_are_all_recognised() -> None:
    leakage = speaker_leakage(*corpus(20.0))
    assert leakage.accuracy == 100.0
    assert leakage.chance == pytest.approx(40.0)
    assert (leakage.speakers, leakage.utterances, leakage.left_out) == (3, 30, ())


def test_features_without_information_are_near_chance() -> None:
    """A classifier that was tested on what it was trained on would reach far more, with 40 features."""
    leakage = speaker_leakage(*corpus(0.0, counts=(40, 40), size=40))
    assert 30 < leakage.accuracy < 70
    assert leakage.chance == 50.0


def test_equals_leaving_folds_out_by_hand() -> None:
    from sklearn.linear_model import LogisticRegression

    features, speakers = corpus(0.7)
    names = sorted(features)
    right = 0
    for fold in range(5):
        tested = [name for name in names if int(name[3:]) % 5 == fold]
        trained = [name for name in names if name not in tested]
        values = np.array([features[name] for name in trained])
        mean, deviation = values.mean(0), values.std(0)
        model = LogisticRegression(max_iter=1000).fit((values - mean) / deviation, [speakers[n] for n in trained])
        guesses = model.predict([(features[name] - mean) / deviation for name in tested])
        right += sum(guess == speakers[name] for guess, name in zip(guesses, tested, strict=True))
    accuracy = speaker_leakage(features, speakers).accuracy
    assert 40 < accuracy < 100
    assert accuracy == pytest.approx(100 * right / 30)


def test_the_same_every_time_and_in_any_order() -> None:
    features, speakers = corpus(0.7)
    assert speaker_leakage(dict(reversed(features.items())), speakers) == speaker_leakage(features, speakers)


def test_speakers_with_few_utterances() -> None:
    features, speakers = corpus(20.0, counts=(5, 2, 1))
    leakage = speaker_leakage(features, speakers)
    assert leakage.left_out == ("s2-00",)
    assert (leakage.speakers, leakage.utterances) == (2, 7)
    assert leakage.chance == pytest.approx(100 * 5 / 7)
    assert leakage.accuracy == 100.0


def test_a_constant_feature_is_allowed() -> None:
    features, speakers = corpus(20.0)
    assert speaker_leakage({name: np.append(v, 0.0) for name, v in features.items()}, speakers).accuracy == 100.0


@pytest.mark.parametrize("counts", [(6,), (6, 1), (1, 1, 1)])
def test_too_few_speakers(counts: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="speaker leakage takes two such speakers"):
        speaker_leakage(*corpus(1.0, counts))


def test_histograms_of_stages_are_concatenated() -> None:
    info = UnitInfo(frame_rate=50.0, offset=0.0, codebook_size=3, checkpoint="x")
    codes = np.array([[0, 2], [0, 1], [2, 2], [0, 2]])
    found = histograms(UnitSet(info=info, units={"u": Units(codes=codes), "v": Units(codes=codes[:2])}))
    assert found["u"].tolist() == [0.75, 0, 0.25, 0, 0.25, 0.75]
    assert found["v"].tolist() == [1, 0, 0, 0, 0.5, 0.5]
    single = histograms(UnitSet(info=info, units={"u": Units(codes=codes[:, 0])}))
    assert single["u"].tolist() == [0.75, 0, 0.25]
