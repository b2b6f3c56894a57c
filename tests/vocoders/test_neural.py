"""The source-filter network and its vocoder, with random weights."""

import numpy as np
import pytest
import torch
from corpus import voice

from sqspeech.errors import ConfigError, DataError
from sqspeech.features import LogMel, LogMelConfig
from sqspeech.pitch import Excitation, harvest_f0
from sqspeech.vocoders.neural import NeuralVocoder
from sqspeech.vocoders.pulses import running_phase
from sqspeech.vocoders.source_filter import Filters, SourceFilter, SourceFilterConfig

CONFIG = LogMelConfig()
HOP = CONFIG.hop_length


def make_network(**values: int) -> SourceFilter:
    torch.manual_seed(0)
    network = SourceFilter(SourceFilterConfig(**{"width": 16, "blocks": 2} | values), CONFIG).eval()
    torch.nn.init.normal_(network.last.weight, std=0.1)
    return network


def excitation(f0: np.ndarray) -> Excitation:
    return Excitation(f0=f0, aperiodicity=np.zeros((len(f0), 0)))


@pytest.fixture(scope="module")
def speech_like() -> tuple[torch.Tensor, Excitation]:
    samples = np.concatenate([voice(150.0, 0), voice(220.0, 1)])
    return LogMel(CONFIG)(torch.from_numpy(samples)), excitation(harvest_f0(samples, 16000, HOP))


@pytest.mark.parametrize("overlap", [4, 6])
def test_filters_of_one_leave_the_source_as_it_is(overlap):
    network = make_network(overlap=overlap)
    source = torch.randn(2, (20 - 1) * HOP + network.n_fft)
    ones = torch.ones(2, 20, network.n_fft // 2 + 1)
    frames = network.frames(Filters(harmonic=torch.complex(ones, 0 * ones), noise=0 * ones), source, source)
    half = network.n_fft // 2
    torch.testing.assert_close(
        network.trim(network.overlap_add(frames), network.envelope(20)), source[:, half:-half], rtol=1e-4, atol=1e-5
    )


def test_the_overlapped_frames_are_their_sum():
    network, frames = make_network(), torch.rand(1, 5, 640)
    wanted = torch.zeros(4 * HOP + 640)
    for number, frame in enumerate(frames[0]):
        wanted[number * HOP : number * HOP + 640] += frame
    torch.testing.assert_close(network.overlap_add(frames)[0], wanted)


def test_it_is_the_network_without_pre_emphasis(speech_like):
    mel, source = speech_like
    network = make_network()
    made = NeuralVocoder(CONFIG, network)(mel, source).numpy()
    f0 = torch.from_numpy(source.f0).float()[None]
    from sqspeech.vocoders.neural import _noise

    noise = _noise(0, (len(mel) - 1) * HOP + network.n_fft)[None]
    with torch.inference_mode():
        emphasised = network(mel[None], f0, running_phase(f0, CONFIG), noise)[0][0].double().numpy()
    again = made[1:] - 0.97 * made[:-1].astype(np.float64)
    assert len(made) == (len(mel) - 1) * HOP
    # But for what is below 40 Hz.
    spectra = [np.abs(np.fft.rfft(x * np.hanning(len(x)))) for x in (emphasised[1:], again)]
    frequencies = np.fft.rfftfreq(len(again), 1 / 16000)
    np.testing.assert_allclose(*(s[frequencies > 300] for s in spectra), rtol=0.02, atol=1e-2)
    assert np.square(spectra[1][frequencies < 10]).sum() < 0.05 * np.square(spectra[0][frequencies < 10]).sum()


@pytest.mark.parametrize("block", [7, 50])
def test_blocks_give_what_the_whole_gives(speech_like, block):
    mel, source = speech_like
    whole = NeuralVocoder(CONFIG, make_network())(mel, source)
    in_blocks = NeuralVocoder(CONFIG, make_network(), block=block)(mel, source)
    assert (in_blocks - whole).abs().max() < 1e-4 * whole.abs().max()


def test_equal_input_gives_equal_output_and_leaves_the_random_state(speech_like):
    mel, source = speech_like
    vocoder, state = NeuralVocoder(CONFIG, make_network()), torch.get_rng_state()
    assert torch.equal(vocoder(mel, source), vocoder(mel, source))
    assert torch.equal(torch.get_rng_state(), state)


def test_silence_is_silent(speech_like):
    mel, source = speech_like
    vocoder = NeuralVocoder(CONFIG, make_network())
    assert not vocoder(torch.full_like(mel, -0.25), source).any()
    edge = len(mel) // 2
    half = mel.clone()
    half[edge:] = -0.25
    made = vocoder(half, source)
    # Beyond the windows of the last frames, but for the ringing of the high-pass.
    assert made[: edge * HOP].abs().max() > 1e-2
    assert made[(edge + 2) * HOP + 1600 :].abs().max() < 1e-3 * made.abs().max()


def test_the_pitch_is_that_of_the_excitation(speech_like):
    mel, source = speech_like
    network = make_network()
    torch.nn.init.zeros_(network.last.weight)
    for semitones in (0, 5):
        f0 = source.f0 * 2 ** (semitones / 12)
        found = harvest_f0(NeuralVocoder(CONFIG, network)(mel, excitation(f0)).numpy(), 16000, HOP)
        both = (found[: len(f0)] > 0) & (f0[: len(found)] > 0)
        assert both.mean() > 0.5
        assert np.median(np.abs(12 * np.log2(found[both] / f0[both]))) < 0.1


@pytest.mark.parametrize(
    ("log_mel", "message"),
    [
        (torch.zeros(81, 40), "another config"),
        (torch.zeros(1, 80), "1 frames"),
        (torch.full((81, 80), torch.nan), "NaN or infinite"),
    ],
)
def test_what_is_no_log_mel_is_refused(log_mel, message):
    with pytest.raises(DataError, match=message):
        NeuralVocoder(CONFIG, make_network())(log_mel, excitation(np.zeros(len(log_mel))))


def test_an_excitation_of_another_length_is_refused(speech_like):
    mel, source = speech_like
    for wrong in (None, source.part(slice(80))):
        with pytest.raises(ValueError, match="an excitation of .* frames is needed"):
            NeuralVocoder(CONFIG, make_network())(mel, wrong)


def test_without_a_network_it_says_how_to_train_one():
    with pytest.raises(ConfigError, match="neural must be trained, .* `sqspeech train .* `sqspeech attach-vocoder"):
        NeuralVocoder(CONFIG)
