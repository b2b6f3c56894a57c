"""The measures on dev while training."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sqspeech import shared_batch
from sqspeech.data.feature_store import FeatureStore
from sqspeech.errors import DataError
from sqspeech.evaluation.codebook import active_codes, perplexity, usage
from sqspeech.evaluation.reconstruction import measure_reconstruction
from sqspeech.models.sqvae import SQVAE, mean_squared_error, target


class Validation:
    """The dev utterances, shared out between the processes, and what is measured on them.

    Raises
    ------
    DataError
        An utterance is of a speaker that the training set lacks.
    """

    def __init__(self, dev: FeatureStore, speakers: Sequence[str], top_db: float, device: torch.device) -> None:
        places = {speaker: index for index, speaker in enumerate(speakers)}
        for utterance in dev.data:
            if utterance.spk_id not in places:
                raise DataError(
                    f"{dev.path}: speaker {utterance.spk_id} of {utterance.utt_id} is not among the training speakers"
                )
        self.top_db, self.device = top_db, device
        with shared_batch.sharing():
            own = list(dev.data)[shared_batch.index() :: shared_batch.count()]
        self._utterances = [
            (torch.from_numpy(dev.read(u.utt_id)).to(device)[None], torch.tensor([places[u.spk_id]], device=device))
            for u in own
        ]

    def __call__(self, model: SQVAE) -> dict[str, float]:
        """Return `dev_mse_db2`, and where there is a codebook `dev_perplexity` and `dev_active_codes` of the whole
        set; and `dev_mse_db2_other_codes`, the error when the latents of each utterance are decoded in reverse order.
        """  # noqa: D205
        model.eval()
        size = model.quantizer.codebook_size or 0
        sums = torch.zeros(3 + size, dtype=torch.float64)
        if self._utterances:
            result = measure_reconstruction(model, self._utterances, self.top_db)
            frames = 2 * sum(map(len, result.latents))
            sums[:3] = torch.tensor([result.mse_db2 * frames, self._other_codes(model, result.latents), frames])
            sums[3:] = torch.from_numpy(usage(result.codes, size))
        model.train()
        with shared_batch.sharing():
            sums = shared_batch.total(sums.to(self.device)).cpu()
        error, other, frames = sums[:3].tolist()
        values = {"dev_mse_db2": error / frames, "dev_mse_db2_other_codes": other / frames}
        if size:
            used = sums[3:].long().numpy()
            values |= {"dev_perplexity": perplexity(used), "dev_active_codes": active_codes(used)}
        return values

    @torch.inference_mode()
    def _other_codes(self, model: SQVAE, latents: Sequence[NDArray[np.float32]]) -> float:
        total = 0.0
        for (mel, speaker), z in zip(self._utterances, latents, strict=True):
            reverse = torch.from_numpy(z).to(self.device).flip(0).unsqueeze(0)
            error = mean_squared_error(model.decoder(reverse, speaker), target(mel)).item()
            total += error * self.top_db**2 * 2 * len(z)
        return total
