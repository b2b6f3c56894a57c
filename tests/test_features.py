from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from sqspeech import audio
from sqspeech.errors import DataError
from sqspeech.features import LogMel, LogMelConfig

GOLDEN = Path(__file__).parent / "golden"


def librosa_log_mel(path: Path) -> np.ndarray:
    """The published recipe, step by step in librosa."""
    samples, _ = librosa.load(path, sr=16000, mono=True, res_type="soxr_hq")
    samples = samples / np.abs(samples).max() * 0.999
    samples = librosa.effects.preemphasis(samples, coef=0.97, zi=[0.0])
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=16000,
        n_fft=2048,
        n_mels=80,
        hop_length=160,
        win_length=400,
        fmin=50,
        fmax=8000,
        power=1,
        pad_mode="reflect",
    )
    return (librosa.amplitude_to_db(mel, top_db=80) / 80 + 1).T


def our_log_mel(path: Path) -> np.ndarray:
    samples, _ = audio.read(path, 16000)
    return LogMel()(torch.from_numpy(samples)).numpy()


def speech_like(seconds: float, rate: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * rate)) / rate
    voiced = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20))
    return (0.1 * voiced * np.sin(3 * time) + 1e-3 * rng.standard_normal(len(time))).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("seconds", [0.5, 0.51])
def test_equals_librosa_at_every_rate(tmp_path, speech_or_synthetic, rate, channels, seconds):
    samples = librosa.resample(speech_or_synthetic[: round(seconds * 16000)], orig_sr=16000, target_sr=rate)
    stereo = np.stack([samples, 0.5 * np.roll(samples, 7)], axis=1)[:, :channels]
    path = tmp_path / "a.wav"
    soundfile.write(path, stereo / np.abs(stereo).max(), rate, subtype="FLOAT")
    ours, theirs = our_log_mel(path), librosa_log_mel(path)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.fixture(params=["real", "synthetic"])
def speech_or_synthetic(request) -> np.ndarray:
    if request.param == "synthetic":
        return speech_like(1.0, 16000)
    speech = request.getfixturevalue("speech")
    path = speech / "librispeech28/LibriSpeech/train-clean-5/1088/134315/1088-134315-0002.flac"
    return audio.read(path, start=1.0, end=2.0)[0]


def test_equals_librosa_on_whole_recordings_of_every_kind(speech):
    paths = [
        next(speech.glob("librispeech28/LibriSpeech/train-clean-5/*/*/*.flac")),
        next(speech.glob("emodb/wav/*/*.flac")),
        next(speech.glob("vctk_sample/VCTK-Corpus/wav48/*/*.wav")),
    ]
    for path in paths:
        assert np.abs(our_log_mel(path) - librosa_log_mel(path)).max() < 1e-4


def test_golden_values():
    mel = LogMel()(torch.from_numpy(speech_like(0.3, 16000))).numpy()
    golden = np.load(GOLDEN / "log_mel.npy")
    assert mel.shape == golden.shape == (31, 80)
    assert np.abs(mel - golden).max() < 1e-4


def test_level_does_not_matter_and_span_is_at_most_one():
    samples = torch.from_numpy(speech_like(0.5, 16000))
    mel = LogMel()(samples)
    torch.testing.assert_close(LogMel()(samples * 0.01), mel, atol=1e-4, rtol=0)
    assert mel.max() - mel.min() <= 1


def test_silence_is_valid():
    mel = LogMel()(torch.zeros(16000))
    assert (mel == -0.25).all()


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (torch.full((16000,), 0.3), "no sound"),
        (torch.zeros(1), "too short"),
        (torch.zeros(1024), "too short"),
        (torch.zeros(0), "too short"),
        (torch.full((16000,), float("nan")), "NaN or infinite"),
        (torch.tensor([0.1, float("inf")]).repeat(8000), "NaN or infinite"),
    ],
)
def test_unusable_samples_are_named(samples, reason):
    with pytest.raises(DataError, match=reason):
        LogMel()(samples)


def test_shortest_utterance():
    assert LogMel()(torch.rand(1025)).shape == (7, 80)


@pytest.mark.parametrize("values", [{"fmax": 9000.0}, {"win_length": 4096}, {"pad_mode": "circular"}, {"n_mels": 0}])
def test_impossible_configurations_are_refused(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        LogMelConfig(**values)


@pytest.mark.parametrize("pad_mode", ["reflect", "constant", "replicate"])
@pytest.mark.parametrize(("n_fft", "win_length"), [(2048, 400), (512, 401), (512, 512)])
def test_together_is_as_alone(pad_mode, n_fft, win_length):
    """Utterances of unlike lengths and levels, some longer than what is computed at once."""
    log_mel = LogMel(LogMelConfig(pad_mode=pad_mode, n_fft=n_fft, win_length=win_length))
    lengths = (16000, 1100, 30001, 160 * 128, 4321)
    samples = [torch.from_numpy(speech_like(n / 16000, 16000)) * level for level, n in enumerate(lengths, start=1)]
    together = log_mel.log_mels([log_mel.condition(part) for part in samples])
    for part, mel in zip(samples, together, strict=True):
        torch.testing.assert_close(mel, log_mel(part), atol=2e-5, rtol=0)
        assert len(mel) == 1 + len(part) // 160


@pytest.mark.parametrize(("n_fft", "win_length"), [(2048, 400), (512, 401), (512, 512)])
def test_equals_torchaudio_with_other_windows(n_fft, win_length):
    samples = torch.from_numpy(speech_like(0.7, 16000))
    config = LogMelConfig(n_fft=n_fft, win_length=win_length, n_mels=40)
    spectrogram = torchaudio.transforms.MelSpectrogram(
        sample_rate=16000,
        n_fft=n_fft,
        win_length=win_length,
        hop_length=160,
        f_min=50,
        f_max=8000,
        n_mels=40,
        power=1,
        norm="slaney",
        mel_scale="slaney",
    )
    emphasised = torchaudio.functional.preemphasis(samples * 0.999 / samples.abs().max(), 0.97)
    decibels = 20 * spectrogram(emphasised).clamp(min=1e-5).log10()
    expected = decibels.clamp(min=decibels.max() - 80).T / 80 + 1
    torch.testing.assert_close(LogMel(config)(samples), expected, atol=2e-5, rtol=0)
