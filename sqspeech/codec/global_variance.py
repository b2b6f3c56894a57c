"""The variance over time that decoding takes from a log-mel, given back to it."""

import math
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

# Coefficients of the cepstrum: finer ripples are those of harmonics. More than `MOST` of one would be noise.
ORDER, MOST = 24, 3.0


class Moments:
    """Mean and standard deviation over the frames of a log-mel's cepstrum, gathered piece by piece."""

    def __init__(self) -> None:
        self.count, self.total, self.squares = 0, torch.zeros(()), torch.zeros(())

    def add(self, log_mel: Float[Tensor, "T M"]) -> None:
        """Take further frames into account."""
        cepstrum = (log_mel @ _basis(log_mel)).double()
        self.count += len(cepstrum)
        self.total = self.total.to(cepstrum.device) + cepstrum.sum(0)
        self.squares = self.squares.to(cepstrum.device) + cepstrum.square().sum(0)

    @property
    def mean(self) -> Float[Tensor, " C"]:
        """Of each coefficient."""
        return self.total / self.count

    @property
    def std(self) -> Float[Tensor, " C"]:
        """Of each coefficient."""
        return (self.squares / self.count - self.mean.square()).clamp(min=0).sqrt()


class Restorer:
    """Widen a decoded log-mel about its mean so that its cepstrum varies over time as that of the source does.

    A decoder that minimises a squared error gives the mean of what it cannot know, and so blurs what makes a
    speaker recognisable. The remedy is the global variance of statistical voice conversion (Toda, Black and Tokuda,
    IEEE TASLP 2007), with the source's variance for the target's. No coefficient is narrowed, nor widened more than
    threefold.

    Parameters
    ----------
    wanted
        The standard deviation of each coefficient of the source, shape (C,).
    decoded
        The moments of the log-mel that is to be restored.
    """

    def __init__(self, wanted: Float[Tensor, " C"], decoded: Moments) -> None:
        self.mean = decoded.mean.float()
        self.gain = (wanted.to(decoded.mean) / decoded.std.clamp(min=1e-4)).clamp(1, MOST).float()

    def __call__(self, log_mel: Float[Tensor, "T M"]) -> Float[Tensor, "T M"]:
        """Return frames with their variance restored."""
        basis = _basis(log_mel)
        return log_mel + ((log_mel @ basis - self.mean) * (self.gain - 1)) @ basis.T


def _basis(log_mel: Float[Tensor, "T M"]) -> Float[Tensor, "M C"]:
    return _cosines(log_mel.shape[1]).to(log_mel)


@cache
def _cosines(bands: int) -> Float[Tensor, "M C"]:
    """Return the orthonormal cosines of the cepstrum (DCT-II) of M bands."""
    points, orders = torch.arange(bands) + 0.5, torch.arange(min(ORDER, bands))
    cosines = torch.cos(math.pi / bands * points.unsqueeze(1) * orders) * math.sqrt(2 / bands)
    cosines[:, 0] /= math.sqrt(2)
    return cosines
