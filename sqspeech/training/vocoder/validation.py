"""Losses of a vocoder on dev while training."""

import torch
from torch import Tensor

from sqspeech import distributed
from sqspeech.errors import DataError
from sqspeech.quantizers.precision import full_precision
from sqspeech.training.vocoder.crop import Crop
from sqspeech.training.vocoder.losses import SpectralLosses, longest_window
from sqspeech.training.vocoder.rows import VocoderData
from sqspeech.vocoders.source_filter import SourceFilter

# Of an utterance so many frames are measured, from its first on: eight seconds at the published features.
MOST = 800


class VocoderValidation:
    """The dev utterances, shared out between the processes, and the losses on them.

    The pulses have the phase of the recordings, as in training, and the noise is the same at each validation.

    Parameters
    ----------
    dev
        The utterances.
    device
        Where it is measured.
    decoded
        Whether there is a log-mel that a codec decoded.

    Raises
    ------
    DataError
        No utterance is long enough.
    """

    def __init__(self, dev: VocoderData, device: torch.device, *, decoded: bool) -> None:
        self._dev, self._device, self._decoded = dev, device, decoded
        features = dev.features.config
        shortest = 2 + -(-longest_window(features.sample_rate) // features.hop_length)
        lengths = zip(dev.features.data, dev.features.lengths(), strict=True)
        self._names = [utterance.utt_id for utterance, length in lengths if length >= shortest]
        if not self._names:
            raise DataError(f"{dev.features.path}: no utterance has {shortest} frames; give longer recordings")

    def __call__(self, network: SourceFilter, losses: SpectralLosses) -> dict[str, float]:
        """Return `dev_natural`, the mean of the losses given the recordings' log-mel, and `dev_loss`: given decoded
        log-mel where there is a codec, else the same.
        """  # noqa: D205
        sums = torch.zeros(2, dtype=torch.float64, device=self._device)
        with distributed.sharing():
            own = self._names[distributed.rank() :: distributed.world_size()]
        with torch.inference_mode(), full_precision(self._device):
            for name in own:
                crop = self._read(name)
                natural = _loss(network, losses, crop, crop.mel)
                other = natural if crop.decoded is None else _loss(network, losses, crop, crop.decoded)
                sums += torch.stack([natural, other])
        with distributed.sharing():
            natural, other = (distributed.all_reduce_sum(sums) / len(self._names)).tolist()
        return {"dev_loss": other, "dev_natural": natural}

    def _read(self, name: str) -> Crop:
        stores = self._dev.features, self._dev.rows
        rows = torch.cat([torch.from_numpy(store.read(name)[:MOST]) for store in stores], dim=1)
        return Crop.of(rows[None].to(self._device), self._dev.features.config, decoded=self._decoded)


def _loss(network: SourceFilter, losses: SpectralLosses, crop: Crop, mel: Tensor) -> Tensor:
    noise = torch.randn(1, crop.wave.shape[1] + network.n_fft, generator=torch.Generator().manual_seed(0))
    made, harmonic = network(mel, crop.f0, crop.phase, noise.to(mel.device))
    return torch.stack(list(losses(made, crop.wave, harmonic).values())).sum().double()
