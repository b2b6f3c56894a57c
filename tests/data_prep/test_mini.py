import itertools
from collections import defaultdict

import numpy as np
import pytest
import pyworld
import soundfile
import torch
import torchaudio
from fastabx import zerospeech_abx

from data_prep import espeak, mini
from data_prep.espeak import Speech
from data_prep.phones import phones_of
from data_prep.sentences import TRAIN
from sqspeech.errors import DataError

SPEAKERS = ["f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4"]
CMU_VOWELS = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"}
CMU_CONSONANTS = {
    "B",
    "CH",
    "D",
    "DH",
    "F",
    "G",
    "HH",
    "JH",
    "K",
    "L",
    "M",
    "N",
    "NG",
    "P",
    "R",
    "S",
    "SH",
    "T",
}
CMU_CONSONANTS |= {"TH", "V", "W", "Y", "Z", "ZH"}
# "The pilot turned the plane toward the northern islands."
PILOT = "DH AX P AY L AX T T ER N D DH AX P L EY N T AX W AOR D DH AX N AOR DH ER N AY L AX N D Z"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mini")
    mini.prepare(folder)
    return folder


def table(path):
    return dict(line.split(" ", 1) for line in path.read_text().splitlines())


def items(path):
    by_file = defaultdict(list)
    for line in path.read_text().splitlines()[1:]:
        utt_id, onset, offset, *labels, speaker = line.split()
        assert utt_id.startswith(speaker + "-")
        by_file[utt_id].append((float(onset), float(offset), *labels))
    return by_file


def waves(corpus, speaker):
    return sorted((corpus / "wav" / speaker).glob("*.wav"))


def test_sets_share_speakers_and_no_sentence(corpus):
    said = defaultdict(lambda: defaultdict(list))
    for name in ("train", "dev", "test"):
        speaker_of = table(corpus / name / "utt2spk")
        for utt_id, text in table(corpus / name / "text").items():
            said[name][speaker_of[utt_id]].append(text)
    assert [len(said[name]["f1"]) for name in said] == [60, 6, 10]
    assert all(said[name][speaker] == said[name]["f1"] for name in said for speaker in SPEAKERS)
    assert all(sorted(voices) == SPEAKERS for voices in said.values())
    everything = list(itertools.chain.from_iterable(voices["f1"] for voices in said.values()))
    assert len(set(everything)) == len(everything)
    assert all(6 <= len(text.split()) <= 12 for text in everything)
    assert table(corpus / "test/spk2gender") == {speaker: speaker[0] for speaker in SPEAKERS}


def test_audio_is_half_an_hour_of_unclipped_pcm(corpus):
    paths = [path for speaker in SPEAKERS for path in waves(corpus, speaker)]
    infos = [soundfile.info(path) for path in paths]
    assert {(info.samplerate, info.channels, info.subtype) for info in infos} == {(22050, 1, "PCM_16")}
    assert len(infos) == 8 * 76
    assert 20 <= sum(info.duration for info in infos) / 60 <= 30
    peaks = [np.abs(soundfile.read(path, dtype="float32")[0]).max() for path in paths]
    assert min(peaks) > 0.2
    assert max(peaks) < 0.99


def test_voices_differ_in_pitch(corpus):
    medians = {}
    for speaker in SPEAKERS:
        samples, rate = soundfile.read(waves(corpus, speaker)[0], frames=40_000)
        f0, _ = pyworld.harvest(samples, rate, f0_floor=50, f0_ceil=500, frame_period=20)
        medians[speaker] = np.median(f0[f0 > 0])
    assert max(medians[s] for s in SPEAKERS[4:]) + 20 < min(medians[s] for s in SPEAKERS[:4])
    assert min(b - a for a, b in itertools.pairwise(sorted(medians.values()))) > 5


@pytest.mark.parametrize("name", ["train", "dev", "test"])
def test_items_are_in_order_and_inside_the_audio(corpus, name):
    by_file = items(corpus / name / "phones.item")
    assert list(by_file) == list(table(corpus / name / "utt2spk"))
    for utt_id, rows in by_file.items():
        duration = soundfile.info(corpus / "wav" / utt_id[:2] / f"{utt_id}.wav").duration
        assert rows[0][0] >= 0.05
        assert rows[-1][1] <= duration - 0.05
        assert all(offset - onset > 0.02 - 1e-9 for onset, offset, *_ in rows)
        for earlier, later in itertools.pairwise(rows):
            assert earlier[1] <= later[0]
            neighbours = (earlier[2], earlier[4]) == (later[3], later[2])
            one_left_out = earlier[4] == later[3]
            assert neighbours or one_left_out


def test_training_sentences_hold_every_english_phone(corpus):
    rows = items(corpus / "train/phones.item").values()
    speaker_count = defaultdict(int)
    for _, _, phone, *_ in itertools.chain.from_iterable(rows):
        speaker_count[phone] += 1
    assert all(speaker_count[phone] >= 3 * len(SPEAKERS) for phone in CMU_VOWELS | CMU_CONSONANTS)


def test_sibilants_are_where_the_items_say(corpus):
    centroids = defaultdict(list)
    for utt_id, rows in items(corpus / "dev/phones.item").items():
        samples, rate = soundfile.read(corpus / "wav" / utt_id[:2] / f"{utt_id}.wav")
        for onset, offset, phone, *_ in rows:
            power = np.abs(np.fft.rfft(samples[int(onset * rate) : int(offset * rate)])) ** 2
            frequencies = np.linspace(0, rate / 2, len(power))
            centroids[phone].append((power * frequencies).sum() / power.sum())
    assert np.percentile(centroids["S"], 5) > 4000
    assert np.percentile(centroids["IY"] + centroids["UW"] + centroids["M"], 95) < 2000


def test_abx_of_mfcc_is_far_below_chance(corpus, tmp_path):
    pair = ("f1", "m4")
    for speaker in pair:
        for path in waves(corpus, speaker)[-10:]:
            samples, rate = soundfile.read(path, dtype="float32")
            mfcc = torchaudio.transforms.MFCC(rate, 13, melkwargs={"n_mels": 40, "hop_length": rate // 100})
            torch.save(mfcc(torch.from_numpy(samples)).T.contiguous(), tmp_path / f"{path.stem}.pt")
    lines = (corpus / "test/phones.item").read_text().splitlines(keepends=True)
    item = tmp_path / "pair.item"
    item.write_text("".join([lines[0], *(line for line in lines if line.startswith(pair))]))
    error = zerospeech_abx(
        item, tmp_path, max_size_group=10, max_x_across=5, speaker="across", frequency=100, device="cpu"
    )
    assert 0 < error < 0.25


def test_another_process_speaks_the_same_samples(corpus):
    voices = [mini.VOICES["m4"], mini.VOICES["f4"]]
    for speaker, speeches in zip(("m4", "f4"), espeak.speak(voices, TRAIN[:3]), strict=True):
        for path, speech in zip(waves(corpus, speaker), speeches, strict=False):
            written, _ = soundfile.read(path, dtype="int16")
            np.testing.assert_array_equal(written[mini.MARGIN : -mini.MARGIN], speech.samples)


def test_golden_phones(corpus):
    rows = items(corpus / "train/phones.item")["m3-045"]
    phones = " ".join(phone for _, _, phone, *_ in rows)
    assert phones == PILOT
    assert (rows[0][0], rows[-1][1]) == pytest.approx((0.112, 2.775), abs=0.01)


def test_a_closure_belongs_to_its_stop():
    hum, silence = np.full(4410, 1000, np.int16), np.zeros(441, np.int16)
    speech = Speech(
        samples=np.concatenate([hum, silence, hum, silence]),
        phones=(("m", 0), ("'a", 2205), ("t", 4851), (";", 6000), ("_:", 9261)),
    )
    found = [(phone.label, phone.onset, phone.offset) for phone in phones_of(speech)[1:]]
    assert found == [("M", 0.0, 0.1), ("AE", 0.1, 0.2), ("T", 0.2, 0.42), ("SIL", 0.42, 0.44)]


def test_a_missing_library_is_one_line(monkeypatch):
    monkeypatch.setattr("espeakng_loader.get_library_path", lambda: "/nowhere/libespeak-ng.so")
    with pytest.raises(DataError, match=r"cannot be loaded .*pip install espeakng-loader") as error:
        espeak._initialize()
    assert "\n" not in str(error.value)


def test_an_unknown_voice_is_an_error():
    with pytest.raises(DataError, match="no voice nobody"):
        list(espeak.speak([espeak.Voice(name="nobody")], ["Hello."]))


def test_a_second_run_replaces_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(mini, "VOICES", {name: mini.VOICES[name] for name in ("f1", "m1")})
    for name in ("TRAIN", "DEV", "TEST"):
        monkeypatch.setattr(mini, name, getattr(mini, name)[:2])
    monkeypatch.setattr(mini, "SETS", ("train",) * 2 + ("dev",) * 2 + ("test",) * 2)
    mini.prepare(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) > 12
    mini.prepare(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
