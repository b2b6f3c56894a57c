"""All that is written is the model's: units that are read back exactly, conversions of the right utterances."""

import copy
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from corpus import CONFIG

from sqspeech.checkpoint import TrainedModel, build_model
from sqspeech.config import ExperimentConfig
from sqspeech.conversion import Converter
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import ConfigError, DataError
from sqspeech.submission import Representation, build, plan
from sqspeech.submission.tree import wav_name
from sqspeech.units import UnitExtractor
from sqspeech.units.formats.zerospeech import text_of


@pytest.fixture(scope="module")
def trained(experiment) -> TrainedModel:
    return TrainedModel.load(experiment.checkpoint)


def codes_of(trained, utterance):
    return UnitExtractor(trained).extract(utterance.read(16000), 16000).codes


def test_units_are_read_back_exactly(made, trained):
    codebook = trained.model.quantizer.codebook.detach().numpy()
    english = made.root / "2019/english"
    for name, utterance in made.parts[0].utterances.items():
        codes = codes_of(trained, utterance)
        vectors, posteriors, continuous = (
            np.loadtxt(english / folder / name, dtype=np.float32, ndmin=2)
            for folder in ("test", "auxiliary_embedding1", "auxiliary_embedding2")
        )
        np.testing.assert_array_equal(vectors, codebook[codes])
        np.testing.assert_array_equal(posteriors.argmax(1), codes)
        np.testing.assert_allclose(posteriors.sum(1), 1, atol=1e-5)
        assert continuous.shape == vectors.shape


def test_conversions_of_a_soft_model_are_of_its_codes(made, trained, tmp_path):
    model = copy.deepcopy(trained.model)
    model.quantizer.soft = True
    build(Converter(replace(trained, model=model)), made.parts[1], tmp_path, [Representation.vectors])
    folder = Path("2019/surprise/test")
    waves = sorted(path.name for path in (tmp_path / folder).glob("*.wav"))
    assert waves
    for name in waves:
        assert (tmp_path / folder / name).read_bytes() == (made.root / folder / name).read_bytes()


def test_one_hot_vectors(made, trained, tmp_path):
    build(Converter(trained), made.parts[1], tmp_path, [Representation.one_hot])
    folder = tmp_path / "2019/surprise"
    assert [path.name for path in folder.iterdir()] == ["test"]
    for name, utterance in made.parts[1].utterances.items():
        written = np.loadtxt(folder / "test" / name)
        np.testing.assert_array_equal(written, np.eye(8)[codes_of(trained, utterance)])


def test_a_baseline_has_vectors_and_no_posteriors(made, trained, tmp_path):
    content = yaml.safe_load(CONFIG) | {"quantizer": {"name": "vq_ema", "codebook_size": 8, "codebook_dim": 4}}
    config = ExperimentConfig.from_dict(content, "test")
    other = replace(trained, config=config, model=build_model(config, len(trained.speakers)).eval())
    with pytest.raises(ConfigError, match="vq_ema has no posterior"):
        build(Converter(other), made.parts[1], tmp_path, [Representation.one_hot, Representation.posteriors])
    assert not list(tmp_path.iterdir())
    part = replace(made.parts[1], conversions={})
    build(Converter(other), part, tmp_path, [Representation.vectors, Representation.continuous])
    table = other.model.quantizer.lookup(torch.arange(8)).detach().numpy()
    for file, utterance in part.utterances.items():
        written = np.loadtxt(tmp_path / "2019/surprise/test" / file, dtype=np.float32)
        np.testing.assert_array_equal(written, table[codes_of(other, utterance)])


def test_single_precision_survives_the_text():
    values = np.frombuffer(np.random.default_rng(0).bytes(40000), np.float32)
    values = values[np.isfinite(values)][:9000].reshape(-1, 6)
    read = np.array([line.split() for line in text_of(values).splitlines()], np.float64).astype(np.float32)
    np.testing.assert_array_equal(read, values)


def test_conversions_are_of_the_listed_utterances(made, trained):
    wavs = {path.name for path in (made.root / "2019/english/test").glob("*.wav")}
    assert wavs == {"f2_f1-04.wav", "f2_m2-04.wav", "m1_f1-05.wav", "m1_m2-05.wav"}
    (source,) = (u for u in made.parts[0].utterances.values() if u.utt_id == "f1-05")
    expected, _ = Converter(trained).convert(source.read(16000), 16000, to="m1", source="f1")
    written, rate = soundfile.read(made.root / "2019/english/test/m1_f1-05.wav", dtype="float32")
    assert rate == 16000
    np.testing.assert_allclose(written, expected, atol=1 / 2**15)
    with wave.open(str(made.root / "2019/english/test/m1_f1-05.wav")) as file:
        assert file.getparams()[:3] == (1, 2, 16000)


def test_the_metadata(made):
    root, year = (yaml.safe_load((made.root / name).read_text()) for name in ("metadata.yaml", "2019/metadata.yaml"))
    assert root == {"author": "A. Uthor", "affiliation": "Université de Z", "open source": True}
    assert year == {
        "abx distance": "dtw_cosine",
        "system description": "a system: of a kind",
        "using parallel train": False,
        "using external data": False,
        "auxiliary1 description": "the probability of each codeword",
        "auxiliary2 description": "the encoder's output before quantisation",
    }


def test_an_unknown_voice_is_told_before_anything_is_written(made, trained, tmp_path):
    (tmp_path / "list").write_text("f1-04 V009\n")
    part = plan(made.data["english"], "english", tmp_path / "list")
    with pytest.raises(DataError, match="no speaker V009"):
        build(Converter(trained), part, tmp_path / "out", [Representation.vectors])
    assert not (tmp_path / "out").exists()


def test_names_of_recordings():
    assert wav_name("S002_0379088085", "V002") == "V002_0379088085.wav"
    assert wav_name("S009_117291", "V001") == "V001_117291.wav"
    assert wav_name("f1-04", "m1") == "m1_f1-04.wav"


def planned(data: Path, tmp_path: Path, *lines: str) -> set[str]:
    (tmp_path / "list").write_text("".join(f"{line}\n" for line in lines))
    return set(plan(data, "english", tmp_path / "list").conversions)


def test_lists(made, tmp_path):
    data = made.data["english"]
    assert planned(data, tmp_path, "english/test/f1-04,m1", "test/f1-05.wav m2") == {"m1_f1-04.wav", "m2_f1-05.wav"}
    for lines, what in (
        (["f1-04"], "list:1: expected an utterance and a voice"),
        (["f1-04 m1", "x m1"], "list:2: x is not in"),
        ([], "the list is empty"),
    ):
        with pytest.raises(DataError, match=what):
            planned(data, tmp_path, *lines)


def test_without_a_list_it_is_conversion_in_every_voice(made, tmp_path):
    data = tmp_path / "data"
    for name, source in (("test", "test"), ("conversion", "synthesis_f2")):
        (data / name).mkdir(parents=True)
        for path in (made.data["english"] / source).iterdir():
            (data / name / path.name).write_bytes(path.read_bytes())
    names = {f"V00{voice}_{utt_id}.wav" for voice in (1, 2) for utt_id in ("f1-04", "m2-04")}
    assert set(plan(data, "english").conversions) == names
    assert set(plan(data, "surprise").conversions) == {name for name in names if name.startswith("V001")}
    for path in (data / "conversion").iterdir():
        path.unlink()
    (data / "conversion").rmdir()
    with pytest.raises(DataError, match="it is unknown what to convert"):
        plan(data, "english")


def test_the_published_list_gives_the_names_that_the_organisers_ask_for(speech, tmp_path):
    """As their program lists them: 107 recordings in V001, 86 in V002."""
    folder = speech / "zerospeech_lists/bshall_ZeroSpeech"
    rows = (folder / "2019_english_test.csv").read_text().splitlines()
    utterances = [row.split(",")[0].rpartition("/")[2] for row in rows]
    test = tmp_path / "test"
    test.mkdir()
    (test / "utt2spk").write_text("".join(f"{utt_id} {utt_id[:4]}\n" for utt_id in sorted(utterances)))
    (test / "wav.scp").write_text("".join(f"{utt_id} {utt_id}.wav\n" for utt_id in sorted(utterances)))
    part = plan(tmp_path, "english", folder / "2019_english_synthesis.csv")
    assert len(part.utterances) == 13529
    assert len(part.conversions) == 193
    counts = {voice: sum(name.startswith(voice) for name in part.conversions) for voice in ("V001", "V002")}
    assert counts == {"V001": 107, "V002": 86}
    assert {"V001_0016520932.wav", "V002_4248927546.wav", "V002_0379088085.wav"} <= part.conversions.keys()


@pytest.mark.parametrize(
    ("utt_id", "problem"),
    [
        ("f1/a", "no file can be named f1/a.txt"),
        ("../f1", "no file can be named ../f1.txt"),
        (".", "no file can be named"),
        ("f1\\a", "no file can be named"),
        ("f1\0a", "no file can be named"),
        ("f1" * 150, "no file can be named f1f1"),
        (None, "no utterance"),
    ],
)
def test_names_that_no_file_can_have_are_told_at_once(made, tmp_path, utt_id, problem):
    utterance = next(iter(made.parts[0].utterances.values()))
    for name in ("test", "conversion"):
        DataDir((replace(utterance, utt_id=utt_id or "f1", spk_id="f1"),)).write(tmp_path / name)
    if not utt_id:
        for name in ("wav.scp", "utt2spk", "spk2utt", "text"):
            (tmp_path / "test" / name).write_text("")
    with pytest.raises(DataError, match=problem):
        plan(tmp_path, "english")
