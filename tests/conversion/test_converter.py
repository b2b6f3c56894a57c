from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from corpus import voice

from sqspeech import audio
from sqspeech.checkpoint import TrainedModel
from sqspeech.codec import PitchRule, pieces, prosody
from sqspeech.codec import decoder as decoder_module
from sqspeech.codec.decoder import SPEAKERS
from sqspeech.codec.pieces import cut, place
from sqspeech.codec.speakers import find_speaker
from sqspeech.conversion import Converter, convert_all, plan
from sqspeech.data.data_dir import Utterance
from sqspeech.data.inputs import read_inputs
from sqspeech.errors import DataError
from sqspeech.evaluation.conversion.parallel_text import median_f0
from sqspeech.pitch import Excitation, track_f0

ANY = Utterance(utt_id="x", spk_id="x", path=Path("x.wav"))


@pytest.fixture(scope="module")
def trained(experiment) -> TrainedModel:
    return TrainedModel.load(experiment.checkpoint)


class Noise:
    """As long as a vocoder's output, with the level of the frames; remembers what it was given."""

    name, needs_excitation = "noise", False

    def __init__(self) -> None:
        self.seen = []

    def __call__(self, mel: torch.Tensor, excitation: None = None) -> torch.Tensor:
        self.seen.append(mel)
        generator = torch.Generator().manual_seed(0)
        return torch.randn((len(mel) - 1) * 160, generator=generator) * mel.mean().abs()


class Spoken(Noise):
    """Noise that hears the excitation, too."""

    needs_excitation = True

    def __call__(self, mel: torch.Tensor, excitation: Excitation) -> torch.Tensor:
        found = super().__call__(mel)
        self.seen[-1] = (mel, excitation.f0)
        return found


@pytest.fixture(scope="module")
def converter(trained) -> Converter:
    return Converter(trained, Noise())


def convert_to(converter: Converter, outs: list[np.ndarray], source: np.ndarray, names: list[str]) -> None:
    speakers = [find_speaker(converter.trained, name) for name in names]
    rule = PitchRule.parse("target")
    converter.codec.synthesizer.convert(outs, source, speakers, converter.vocoder, pitch=rule)


@pytest.mark.parametrize("length", [1025, 12800, 12801, 12959])
@pytest.mark.parametrize("level", [0.01, 1.0])
def test_length_and_loudness_are_kept(converter, length, level):
    source = level * voice(150.0, 0)[:length] if length <= 12800 else level * voice(150.0, 0, 1.0)[:length]
    converted, rate = converter.convert(source, 16000, to="f1")
    assert (rate, len(converted), converted.dtype) == (16000, length, np.float32)
    assert np.abs(converted).max() <= 0.999 + 1e-6
    if level < 1:
        assert np.sqrt(np.mean(converted**2)) == pytest.approx(np.sqrt(np.mean(source**2)), rel=1e-3)


def test_many_voices_at_once_are_what_they_are_alone(trained, monkeypatch):
    tracked = []
    monkeypatch.setattr(prosody, "track_f0", lambda *given: tracked.append(given) or track_f0(*given))
    converter, source = Converter(trained, Spoken()), voice(150.0, 0)
    names = [*trained.speakers, *(f"f1:1,m1:{weight}" for weight in range(1, 8))]
    assert len(names) > SPEAKERS
    outs = [np.zeros_like(source) for _ in names]
    convert_to(converter, outs, source, names)
    assert len(tracked) == 1
    mels, f0 = ([given[part] for given in converter.vocoder.seen] for part in range(2))
    converter.vocoder.seen.clear()
    for name, mel, own, out in zip(names, mels, f0, outs, strict=True):
        alone, _ = converter.convert(source, 16000, to=name)
        torch.testing.assert_close(mel, converter.vocoder.seen[-1][0], rtol=0, atol=1e-5)
        np.testing.assert_array_equal(own, converter.vocoder.seen[-1][1])
        np.testing.assert_allclose(out, alone, atol=1e-4)
    assert not torch.allclose(mels[0], mels[-1], atol=1e-3)


def test_another_rate_is_resampled(converter):
    converted, rate = converter.convert(voice(150.0, 0, 1.0, rate=48000), 48000, to="f1")
    assert (rate, len(converted)) == (16000, 16000)


def test_the_vocoder_gets_every_frame_and_the_decoded_ones_in_their_place(trained):
    converter = Converter(trained, Noise())
    for length in (12800, 12960):
        converter.convert(voice(150.0, 0, 1.0)[:length], 16000, to="m2")
        mel = trained.log_mel(torch.from_numpy(voice(150.0, 0, 1.0)[:length]))[None]
        decoded = trained.model.decode(trained.model.encode(mel), trained.speaker_index("m2"))[0]
        assert converter.vocoder.seen[-1].shape == mel[0].shape
        seen = converter.vocoder.seen[-1][1 : 1 + len(decoded)]
        # Frame by frame, band by band, but for the variance that is given back.
        assert torch.corrcoef(torch.stack([seen.flatten(), decoded.flatten()]))[0, 1] > 0.95


@pytest.mark.parametrize("vocoder", ["world", "griffin_lim"])
def test_silence_stays_silent(experiment, vocoder):
    converter = Converter.load(experiment.checkpoint, vocoder=vocoder)
    converted, _ = converter.convert(np.zeros(16000, np.float32), 16000, to="f1")
    assert not converted.any()


@pytest.mark.parametrize("vocoder", ["world", "griffin_lim"])
def test_every_vocoder_makes_sound(experiment, vocoder):
    source = voice(150.0, 0)
    converted, _ = Converter.load(experiment.checkpoint, vocoder=vocoder).convert(source, 16000, to="f1")
    assert len(converted) == 12800
    assert rms(converted) == pytest.approx(rms(source), rel=1e-3)


@pytest.mark.parametrize(
    ("pitch", "semitones"), [("keep", 0), ("+4", 4), ("-3.5", -3.5), ("target", 12 * np.log2(210 / 120))]
)
def test_the_pitch_is_moved_as_asked(experiment, pitch, semitones):
    converter, source = Converter.load(experiment.checkpoint), voice(120.0, 0, 2.0)
    converted, _ = converter.convert(source, 16000, to="f1", pitch=pitch)
    before, after = (median_f0(samples, 16000) for samples in (source, converted))
    # An utterance's mean is not its speaker's, so "target" is right to half a semitone only.
    assert 12 * np.log2(after / before) == pytest.approx(semitones, abs=0.7)


def test_the_source_s_own_statistics_are_used_where_they_are_known(trained):
    # m1 speaks an octave above his usual pitch: so does the result, above f1's.
    source = voice(240.0, 0, 2.0)
    converter = Converter(trained)
    moved = {
        speaker: median_f0(converter.convert(source, 16000, to="f1", source=speaker)[0], 16000)
        for speaker in ("m1", None)
    }
    assert 12 * np.log2(moved["m1"] / moved[None]) > 8


@pytest.mark.parametrize("pitch", ["up", "4", "+", "+inf", ""])
def test_a_pitch_that_says_nothing_is_refused(trained, pitch):
    with pytest.raises(DataError, match=r"expected target, keep, or semitones with their sign"):
        Converter(trained).convert(voice(120.0, 0), 16000, to="f1", pitch=pitch)


def test_a_target_whose_pitch_is_not_known_is_said_to_have_kept_it(trained, tmp_path):
    converter, source = Converter(replace(trained, pitch={})), voice(120.0, 0)
    kept, _ = converter.convert(source, 16000, to="f1", pitch="keep")
    np.testing.assert_array_equal(converter.convert(source, 16000, to="f1")[0], kept)
    audio.write(tmp_path / "a.wav", source, 16000)
    convert_all(converter, plan(read_inputs([tmp_path / "a.wav"]), ["f1"], None, []), tmp_path / "out")
    assert "pitch kept: the target's is not known" in (tmp_path / "out/manifest.tsv").read_text()


def test_an_offset_is_no_loudness(trained):
    source = voice(120.0, 0)
    plain, offset = (Converter(trained).convert(x, 16000, to="f1")[0] for x in (0.3 * source, 0.3 * source + 0.5))
    assert rms(offset) == pytest.approx(rms(plain), rel=0.02)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), "too short"),
        (np.zeros(100), "too short"),
        (np.full(9000, np.nan), "NaN"),
        (np.ones(9000), "no sound"),
    ],
)
def test_what_has_no_features_is_refused_before_anything_is_done(trained, samples, message):
    with pytest.raises(DataError, match=message):
        Converter(trained).convert(samples.astype(np.float32), 16000, to="f1")


def rms(samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def test_a_mixture_lies_between_its_speakers(trained):
    def embedding(name: str) -> torch.Tensor:
        return find_speaker(trained, name).embedding

    one, other = embedding("f1"), embedding("m1")
    torch.testing.assert_close(embedding("f1:1,m1:3"), 0.25 * one + 0.75 * other)
    torch.testing.assert_close(embedding("f1:0.5"), one)
    mixed, pitch = find_speaker(trained, "f1:1,m1:1").pitch, trained.pitch
    assert mixed.log_mean == pytest.approx((pitch["f1"].log_mean + pitch["m1"].log_mean) / 2)


@pytest.mark.parametrize("name", ["f1:0.5,m1:", "f1:0,m1:1", "f1:-1,m1:2", "f1:nan", "f1:1,f1:2", ":1", "f1:1,m1"])
def test_a_mixture_that_makes_no_sense_is_refused(trained, name):
    with pytest.raises(DataError, match="expected different speakers with positive weights"):
        find_speaker(trained, name)


def test_a_misspelt_speaker_of_a_mixture_is_named(trained):
    with pytest.raises(DataError, match="no speaker f9; the nearest"):
        find_speaker(trained, "f1:1,f9:1")


def long_voice(seconds: float) -> np.ndarray:
    """Sentences with pauses between them."""
    parts, count = [], 0
    while count < seconds * 16000:
        parts += [voice(140.0, len(parts), 1.5), np.zeros(4000, np.float32)]
        count += 28000
    noise = np.random.default_rng(0).standard_normal(count).astype(np.float32)
    return (np.concatenate(parts) + 1e-3 * noise)[: round(seconds * 16000)]


def test_pieces_cover_a_recording_and_are_cut_in_pauses():
    samples = long_voice(63.3)
    pieces = cut(len(samples), 16000, 320, samples)
    assert len(pieces) > 3
    assert [piece.start for piece in pieces] == [0, *(piece.end for piece in pieces[:-1])]
    assert pieces[-1].end == len(samples)
    for piece in pieces:
        assert piece.end - piece.start <= 20 * 16000 + 320
        assert piece.first % 320 == 0
        assert piece.first <= max(0, piece.start - 16000)
        assert piece.last >= min(len(samples), piece.end + 16000)
    for piece in pieces[1:]:
        assert rms(samples[piece.start - 160 : piece.start + 160]) < 0.01


def test_pieces_are_joined_to_what_they_were_cut_from():
    samples = long_voice(63.3)
    out = np.full_like(samples, np.nan)
    for piece in cut(len(samples), 16000, 320, samples):
        place(piece, samples[piece.decoded], out, 16000)
    np.testing.assert_allclose(out, samples, atol=1e-7)


@pytest.mark.parametrize("normalize", [False, True])
def test_a_long_recording_is_converted_as_if_it_were_one_piece(trained, monkeypatch, normalize):
    """Also by an encoder that hears the bands without their mean, which is that of the whole."""
    monkeypatch.setattr(trained.model.encoder, "normalize", normalize)
    encoder = replace(trained.config.encoder, normalize=normalize)
    trained = replace(trained, config=replace(trained.config, encoder=encoder))
    source = long_voice(50.0)
    mels = {}
    for longest in (20.0, 1e9):
        monkeypatch.setattr(pieces, "LONGEST", longest)
        converter = Converter(trained, Noise())
        converter.convert(source, 16000, to="f2")
        mels[longest] = [converter.vocoder.seen, cut(len(source), 16000, 320, source)]
    whole = mels[1e9][0][0]
    seen, cuts = mels[20.0]
    assert len(seen) > 2
    for mel, piece in zip(seen, cuts, strict=True):
        own = slice((piece.start - piece.first) // 160, (piece.end - piece.first) // 160)
        # In decibels: the recurrent decoder hears a second of what is around, not all.
        difference = 80 * (mel[own] - whole[piece.start // 160 : piece.end // 160]).abs()
        assert difference.max() < 0.1


def test_what_is_short_is_decoded_once_and_what_is_long_alike(trained, monkeypatch):
    source, found, decoded = long_voice(30.0), [], []
    speak = trained.model.decoder.decode
    monkeypatch.setattr(trained.model.decoder, "decode", lambda *given: decoded.append(given) or speak(*given))
    pieces = len(cut(len(source), 16000, 320, source))
    for kept, times in ((2 * 3001, 1), (2 * 3001 - 1, 2)):
        monkeypatch.setattr(decoder_module, "KEPT", kept)
        outs = [np.zeros_like(source) for _ in range(2)]
        convert_to(Converter(trained, Noise()), outs, source, ["f1", "m1"])
        assert len(decoded) == times * pieces
        decoded.clear()
        found.append(outs)
    np.testing.assert_array_equal(found[0], found[1])


def test_threads_may_share_a_converter(trained):
    converter = Converter(trained)
    sources = [voice(f0, sentence) for sentence, f0 in enumerate((110.0, 150.0, 200.0, 240.0))]
    alone = [converter.convert(source, 16000, to="m2")[0] for source in sources]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda source: converter.convert(source, 16000, to="m2")[0], sources))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
