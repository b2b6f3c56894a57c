import csv

import numpy as np
import pytest
import torch
from corpus import voice

from sqspeech import audio
from sqspeech.checkpoint import TrainedModel
from sqspeech.conversion import Converter, convert_all
from sqspeech.data.data_dir import DataDir
from sqspeech.data.inputs import read_inputs
from sqspeech.errors import DataError


@pytest.fixture(scope="module")
def trained(experiment) -> TrainedModel:
    return TrainedModel.load(experiment.checkpoint)


def noise_vocoder(mel: torch.Tensor) -> torch.Tensor:
    """As long as a vocoder's output, with the level of each frame."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn((len(mel) - 1) * 160, generator=generator) * mel.mean().abs()


@pytest.fixture(scope="module")
def converter(trained) -> Converter:
    return Converter(trained, noise_vocoder)


@pytest.mark.parametrize("length", [1025, 12800, 12801, 12959])
@pytest.mark.parametrize("level", [0.01, 1.0])
def test_length_and_loudness_are_kept(converter, length, level):
    source = level * voice(150.0, 0)[:length] if length <= 12800 else level * voice(150.0, 0, 1.0)[:length]
    converted, rate = converter.convert(source, 16000, to="f1")
    assert (rate, len(converted), converted.dtype) == (16000, length, np.float32)
    assert np.abs(converted).max() <= 0.999 + 1e-6
    if level < 1:
        assert np.sqrt(np.mean(converted**2)) == pytest.approx(np.sqrt(np.mean(source**2)), rel=1e-3)


def test_another_rate_is_resampled(converter):
    converted, rate = converter.convert(voice(150.0, 0, 1.0, rate=48000), 48000, to="f1")
    assert (rate, len(converted)) == (16000, 16000)


def test_the_vocoder_gets_every_frame_and_the_decoded_ones_in_their_place(trained):
    seen = []
    converter = Converter(trained, lambda mel: seen.append(mel) or noise_vocoder(mel))
    for length in (12800, 12960):
        converter.convert(voice(150.0, 0, 1.0)[:length], 16000, to="m2")
        mel = trained.log_mel(torch.from_numpy(voice(150.0, 0, 1.0)[:length]))[None]
        decoded = trained.model.decode(trained.model.encode(mel), trained.speaker_index("m2"))[0]
        assert seen[-1].shape == mel[0].shape
        torch.testing.assert_close(seen[-1][1 : 1 + len(decoded)], decoded)


def test_silence_stays_silent(trained):
    converted, _ = Converter(trained, lambda mel: torch.zeros(len(mel) * 160)).convert(
        np.zeros(16000, np.float32), 16000, to="f1"
    )
    assert not converted.any()


def test_griffin_lim_is_the_vocoder(trained):
    converted, _ = Converter(trained).convert(voice(150.0, 0), 16000, to="f1")
    assert len(converted) == 12800
    assert np.isfinite(converted).all()
    assert np.abs(converted).max() > 0.01


def test_all_inputs_to_all_targets_with_a_manifest(converter, experiment, tmp_path):
    data = DataDir.read(experiment.root / "corpus/test").subset(["f1-04", "m2-05"])
    count, failures = convert_all(converter, list(data), ["source", "f2"], tmp_path)
    assert (count, failures.reasons) == (4, {})
    with (tmp_path / "manifest.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["utt_id"], row["speaker"], row["target"]) for row in rows] == [
        ("f1-04", "f1", "source"),
        ("f1-04", "f1", "f2"),
        ("m2-05", "m2", "source"),
        ("m2-05", "m2", "f2"),
    ]
    for row in rows:
        assert len(audio.read(tmp_path / row["output"])[0]) == 12800
    own = converter.convert(data.utterances[0].read(16000), 16000, to="f1")[0]
    np.testing.assert_allclose(audio.read(tmp_path / rows[0]["output"])[0], own, atol=1 / 16384)


def test_an_unknown_target_is_refused_before_any_work(converter, tmp_path):
    with pytest.raises(DataError, match="no speaker f9; the nearest of its 4 are"):
        convert_all(converter, [], ["f1", "f9"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_inputs_may_be_files_folders_and_data_directories(experiment, tmp_path):
    root = experiment.root / "corpus/test"
    (tmp_path / "sub").mkdir()
    for name in ("a b.wav", "sub/x.flac", "sub/notes.txt"):
        (tmp_path / name).touch()
    named = {u.utt_id: u for u in read_inputs([root, tmp_path, root / "../train/f1-00.wav"])}
    assert named.keys() == {u.utt_id for u in DataDir.read(root)} | {"a_b", "sub-x", "f1-00"}
    assert named["f1-04"].spk_id == "f1"


def test_inputs_that_are_not_there_or_clash_are_named(experiment, tmp_path):
    path = experiment.root / "corpus/test/f1-04.wav"
    other = tmp_path / "f1-04.wav"
    other.touch()
    with pytest.raises(DataError, match="are both named f1-04; rename one"):
        read_inputs([path, other])
    with pytest.raises(DataError, match="no such file or folder"):
        read_inputs([tmp_path / "nothing.wav"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no audio in this folder"):
        read_inputs([tmp_path / "empty"])
