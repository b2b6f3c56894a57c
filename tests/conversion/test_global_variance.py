import numpy as np
import pytest
import scipy.fft
import torch

from sqspeech.codec.global_variance import MOST, ORDER, Moments, Restorer


def cepstrum(mel: np.ndarray) -> np.ndarray:
    return scipy.fft.dct(mel, axis=1, norm="ortho")


def moments(*parts: np.ndarray) -> Moments:
    found = Moments()
    for part in parts:
        found.add(torch.from_numpy(part))
    return found


@pytest.fixture
def source() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((500, 80)).astype(np.float32) * 0.1


@pytest.mark.parametrize("shrunk", [0.5, 0.8])
def test_a_blurred_log_mel_varies_as_the_source_again(source, shrunk):
    blurred = np.float32(0.3) + np.float32(shrunk) * source
    restored = Restorer(moments(source).std, moments(blurred))(torch.from_numpy(blurred)).numpy()
    own, wanted, before = cepstrum(restored), cepstrum(source), cepstrum(blurred)
    np.testing.assert_allclose(own.std(0)[:ORDER], wanted.std(0)[:ORDER], rtol=1e-3)
    np.testing.assert_allclose(own[:, ORDER:], before[:, ORDER:], atol=1e-5)
    np.testing.assert_allclose(own.mean(0), before.mean(0), atol=1e-4)


def test_it_is_bounded_and_never_narrows(source):
    for factor, gain in ((0.01, MOST), (2.0, 1.0)):
        decoded = np.float32(factor) * source
        restored = Restorer(moments(source).std, moments(decoded))(torch.from_numpy(decoded)).numpy()
        np.testing.assert_allclose(
            cepstrum(restored).std(0)[:ORDER], gain * cepstrum(decoded).std(0)[:ORDER], rtol=1e-3
        )


def test_silence_stays_as_it_is(source):
    silent = np.full_like(source, -1.0)
    np.testing.assert_allclose(
        Restorer(moments(silent).std, moments(silent))(torch.from_numpy(silent)), silent, atol=1e-5
    )


def test_pieces_count_as_the_whole(source):
    parts, whole = moments(source[:13], source[13:]), moments(source)
    torch.testing.assert_close(parts.mean, whole.mean)
    torch.testing.assert_close(parts.std, whole.std)
