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
def spoken() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((500, 80)).astype(np.float32) * 0.1


@pytest.mark.parametrize("shrunk", [0.5, 0.8])
def test_a_blurred_log_mel_varies_as_the_source_again(spoken, shrunk):
    blurred = np.float32(0.3) + np.float32(shrunk) * spoken
    restored = Restorer(moments(spoken), moments(blurred))(torch.from_numpy(blurred)).numpy()
    own, wanted, before = cepstrum(restored), cepstrum(spoken), cepstrum(blurred)
    np.testing.assert_allclose(own.std(0)[:ORDER], wanted.std(0)[:ORDER], rtol=1e-3)
    np.testing.assert_allclose(own[:, ORDER:], before[:, ORDER:], atol=1e-5)
    np.testing.assert_allclose(own.mean(0), before.mean(0), atol=1e-4)


def test_it_is_bounded_and_never_narrows(spoken):
    for factor, gain in ((0.01, MOST), (2.0, 1.0)):
        decoded = np.float32(factor) * spoken
        restored = Restorer(moments(spoken), moments(decoded))(torch.from_numpy(decoded)).numpy()
        np.testing.assert_allclose(
            cepstrum(restored).std(0)[:ORDER], gain * cepstrum(decoded).std(0)[:ORDER], rtol=1e-3
        )


def test_silence_stays_as_it_is(spoken):
    silent = np.full_like(spoken, -1.0)
    np.testing.assert_allclose(Restorer(moments(silent), moments(silent))(torch.from_numpy(silent)), silent, atol=1e-5)


def test_pieces_count_as_the_whole(spoken):
    parts, whole = moments(spoken[:13], spoken[13:]), moments(spoken)
    torch.testing.assert_close(parts.mean, whole.mean)
    torch.testing.assert_close(parts.std, whole.std)
