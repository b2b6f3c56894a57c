"""The codec: encode and decode against each other, against conversion, and its refusals."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from corpus import voice
from noise_vocoder import Noise

from sqspeech.codec import Codec, Units, prosody
from sqspeech.errors import ConfigError, DataError
from sqspeech.pitch import Excitation, aperiodicity, track_f0

RATE = 16000


@pytest.fixture(scope="module")
def codec(experiment) -> Codec:
    return Codec.load(experiment.checkpoint)


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples - samples.mean(), dtype=np.float64))))


@pytest.mark.parametrize("length", [1280, 12800, 12959])
def test_decoding_the_units_of_a_recording_is_converting_it(codec, length):
    source = 0.3 * np.resize(voice(150.0, 0), length)
    decoded, rate = codec.decode(codec.encode(source), "f1", vocoder=Noise())
    converted, _ = codec.convert(source, to="f1", vocoder=Noise())
    assert (rate, decoded.dtype, len(decoded)) == (RATE, np.float32, length)
    np.testing.assert_array_equal(decoded, converted)


def test_long_units_have_the_length_and_the_level_of_their_recording(codec):
    source = 0.1 * np.resize(voice(150.0, 0), 25 * RATE + 7)
    decoded, _ = codec.decode(codec.encode(source), "f1", vocoder=Noise())
    assert len(decoded) == len(source)
    assert rms(decoded) == pytest.approx(rms(source), rel=1e-3)


def test_codes_alone_are_decoded_at_the_usual_level(codec):
    codes = codec.encode(voice(150.0, 0)).codes
    for given in (codes, torch.from_numpy(codes), Units(codes=codes), codes.astype(np.int32)):
        decoded, _ = codec.decode(given, "f1", vocoder=Noise())
        # Two frames a unit, and one at each end; frames are hops apart.
        assert len(decoded) == (2 * len(codes) + 1) * 160
        assert 20 * np.log10(rms(decoded)) == pytest.approx(-26, abs=0.01)


def test_paths_arrays_and_tensors_are_the_same_recording(codec, tmp_path):
    samples = voice(150.0, 0, 1.0, rate=44100)
    soundfile.write(tmp_path / "a.wav", samples, 44100, subtype="FLOAT")
    expected = codec.encode(samples, 44100).codes
    for given in (tmp_path / "a.wav", str(tmp_path / "a.wav")):
        np.testing.assert_array_equal(codec.encode(given).codes, expected)
    for given in (samples.astype(np.float64), torch.from_numpy(samples), torch.from_numpy(samples)[None, None]):
        np.testing.assert_array_equal(codec.encode(given, 44100).codes, expected)
    np.testing.assert_array_equal(codec.encode(voice(150.0, 0)).codes, codec.encode(voice(150.0, 0), RATE).codes)


@pytest.mark.parametrize(
    ("given", "rate", "message"),
    [
        (np.zeros(16000, np.int16), None, "samples of type int16; give floating-point samples"),
        (np.zeros((2, 16000), np.float32), None, r"samples of shape \(2, 16000\); give one channel"),
        (np.float32(0), None, r"samples of shape \(\)"),
        ("a.wav", 16000, "a file has a sample rate of its own"),
        (np.zeros(300, np.float32), None, "too short"),
    ],
)
def test_what_is_no_recording_is_refused(codec, given, rate, message):
    for use in (codec.encode, codec.level, lambda *both: codec.convert(*both, to="f1")):
        with pytest.raises(DataError, match=message):
            use(given, rate)


def test_units_know_their_origin_and_their_times(codec):
    units = codec.encode(voice(150.0, 0), matrices=["vectors"])
    assert units.info == codec.info
    assert units.info.checkpoint == codec.trained.digest
    # Unit i is centred between the frames 2 i + 1 and 2 i + 2.
    np.testing.assert_allclose(units.times()[:2], [0.015, 0.035])
    with pytest.raises(ValueError, match="timing of these units is not known"):
        Units(codes=units.codes).times()


def test_units_that_are_not_this_codec_s_are_refused(codec):
    units = codec.encode(voice(150.0, 0))
    digest, other = codec.trained.digest, "0123456789abcdef"
    wrong = [
        (replace(units, info=replace(units.info, checkpoint=other)), rf"checkpoint {other}, this one is {digest}"),
        (
            replace(units, info=replace(units.info, frame_rate=25.0)),
            "25 units a second from 0.005 s, but the model",
        ),
        (replace(units, info=replace(units.info, deduplicated=True)), "deduplicated without durations"),
        (replace(units, codes=units.codes + 8), "but the codebook has 8 "),
        (replace(units, codes=units.codes - 9), "but the codebook has 8 "),
        (replace(units, codes=units.codes[:-1]), "38 units, but a recording of 12800 samples has 39"),
        (Units(codes=units.codes[:0]), "no units to decode"),
        (units.codes.astype(np.float32), "give integers"),
    ]
    assert len(units) == 39
    for given, message in wrong:
        with pytest.raises(DataError, match=message):
            codec.decode(given, "f1", vocoder=Noise())


def test_a_vocoder_that_needs_a_pitch_names_those_that_need_none(codec):
    units = codec.encode(voice(150.0, 0))
    with pytest.raises(DataError, match="the vocoder world needs a pitch, .* needs none: griffin_lim"):
        codec.decode(units, "f1", vocoder="world")
    with pytest.raises(ConfigError, match="no vocoder 'wrld'; the nearest is world"):
        codec.decode(units, "f1", vocoder="wrld")
    assert codec.vocoders.for_units().name == "griffin_lim"


def test_a_pitch_that_is_given_is_that_of_the_speech(codec):
    source = voice(150.0, 0)
    f0 = track_f0(source, RATE, 160)
    excitation = Excitation(f0=f0, aperiodicity=aperiodicity(source, f0, RATE, 160))
    decoded, _ = codec.decode(codec.encode(source), "f1", pitch=excitation)
    kept, _ = codec.convert(source, to="f1", pitch="keep")
    np.testing.assert_allclose(decoded, kept, atol=1e-6)
    with pytest.raises(DataError, match="a pitch of 80 frames for units of 81"):
        codec.decode(codec.encode(source), "f1", pitch=excitation.part(slice(80)))


def test_a_vocoder_that_reads_f0_alone_costs_no_aperiodicity(codec, monkeypatch):
    class Tone(Noise):
        needs_excitation = True

        def __call__(self, mel, excitation):
            return super().__call__(mel) * torch.from_numpy(excitation.f0).mean()

    computed = []
    monkeypatch.setattr(prosody, "aperiodicity", lambda *given: computed.append(given) or aperiodicity(*given))
    source = voice(150.0, 0)
    codec.convert(source, to="f1", vocoder=Tone())
    assert not computed
    codec.convert(source, to="f1", vocoder="world")
    assert len(computed) == 1


def test_a_copy_is_refined_and_a_conversion_is_not(codec):
    source = voice(150.0, 0)
    np.testing.assert_array_equal(codec.copy(source), codec.copy(source, "world_refined"))
    converted, plain = (codec.convert(source, to="f1", vocoder=name)[0] for name in (None, "world"))
    np.testing.assert_array_equal(converted, plain)


def test_a_bad_pitch_or_speaker_is_found_before_the_recording_is_read(codec):
    missing = Path("no such file.wav")
    with pytest.raises(DataError, match="expected target, keep, or semitones"):
        codec.convert(missing, to="f1", pitch="up")
    with pytest.raises(DataError, match="no speaker f9"):
        codec.convert(missing, to="f9")


def test_threads_may_share_a_codec(codec):
    sources = [voice(f0, sentence) for sentence, f0 in enumerate((110.0, 150.0, 200.0, 240.0))]

    def round_trip(source: np.ndarray) -> np.ndarray:
        return codec.decode(codec.encode(source), "m2", vocoder=Noise())[0]

    alone = [round_trip(source) for source in sources]
    with ThreadPoolExecutor(4) as threads:
        for one, other in zip(alone, threads.map(round_trip, sources), strict=True):
            np.testing.assert_array_equal(one, other)


def test_runs_of_several_stages_end_where_any_stage_changes():
    codes = np.array([[1, 2], [1, 2], [1, 3], [0, 3], [0, 3]])
    runs, lengths = Units(codes=codes).runs()
    np.testing.assert_array_equal(runs, [[1, 2], [1, 3], [0, 3]])
    np.testing.assert_array_equal(lengths, [2, 1, 2])
