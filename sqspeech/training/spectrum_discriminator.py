"""Discriminator of log-mels, and the phase of a training in which it sharpens what a decoder makes of fixed units."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm
from torch.profiler import record_function

from sqspeech.config import DiscriminatorConfig
from sqspeech.models.sqvae import SQVAE, ar_elbo
from sqspeech.quantizers import Residual
from sqspeech.training.tasks.base import Batch, Update
from sqspeech.training.vocoder.discriminators import adversarial_loss, discriminator_loss

SLOPE = 0.2
# Log-mels are in [0, 1]: this brings them to about the range that the first layer's weights are drawn for.
CENTRE, GAIN = 0.5, 4.0


class SpectrumDiscriminator(nn.Module):
    """Scores of the places of a log-mel, given its speaker: convolutions over time and bands, and a projection.

    Source of the projection: Miyato & Koyama, "cGANs with projection discriminator", ICLR 2018.
    """

    def __init__(self, config: DiscriminatorConfig, n_speakers: int) -> None:
        super().__init__()
        widths = [1, *config.channels]
        shapes: list[tuple[tuple[int, int], tuple[int, int]]] = [((3, 9), (1, 2)), ((3, 5), (2, 2)), ((3, 5), (2, 2))]
        shapes += [((3, 3), (1, 1))] * (len(config.channels) - len(shapes))
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, size, stride, (size[0] // 2, size[1] // 2)))
            for before, after, (size, stride) in zip(widths, config.channels, shapes, strict=False)
        )
        self.score = weight_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))
        self.speakers = nn.Embedding(n_speakers, widths[-1])
        nn.init.zeros_(self.speakers.weight)  # all speakers alike at first

    def forward(self, mel: Float[Tensor, "B T M"], speaker: Int[Tensor, " B"]) -> list[Tensor]:
        """Return the outputs of the layers, the last of which are the scores."""
        outputs, image = list[Tensor](), GAIN * (mel[:, None] - CENTRE)
        for layer in self.layers:
            image = functional.leaky_relu(layer(image), SLOPE)
            outputs.append(image)
        wanted = self.speakers(speaker)[:, :, None, None] / image.shape[1] ** 0.5
        return [*outputs, self.score(image) + (wanted * image).sum(1, keepdim=True)]


def sharpen(
    model: SQVAE, discriminator: SpectrumDiscriminator, config: DiscriminatorConfig, batch: Batch, update: Update
) -> Mapping[str, Tensor]:
    """Train discriminator and decoder one step on the units of the model, which stay as they are.

    The squared error alone has decoders return the mean of all that the units leave open. The loss of the decoder is,
    with M T the size of a row, M T (½ ln(error) + a · adversarial + m · matching).
    """
    mel, speaker = batch
    z, target = units_of(model, mel), model.geometry.target(mel)
    with record_function("sqspeech::decoder"):
        made = model.decoder(z, speaker)
    with record_function("sqspeech::discriminator"):
        loss = discriminator_loss([discriminator(target, speaker)], [discriminator(made.detach(), speaker)])
    norm = update("discriminator", loss)
    with record_function("sqspeech::discriminator"):
        with torch.no_grad():
            real = discriminator(target, speaker)
        with _fixed(discriminator):
            found = discriminator(made, speaker)
    mse, weighted = model.errors(made, target)
    size = made.shape[1] * made.shape[2]
    adversarial = config.adversarial_weight * adversarial_loss([found])
    matching = config.matching_weight * relative_distance(real, found)
    total = ar_elbo(weighted, size) + size * (adversarial + matching)
    return {
        "loss": total,
        "mse": mse,
        "adversarial": adversarial,
        "matching": matching,
        "discriminator": loss,
        "discriminator_norm": norm,
        "gradient_norm": update("decoder", total),
    }


@contextmanager
def _fixed(module: nn.Module) -> Iterator[None]:
    """Compute without gradients with respect to a module, which would take time and be thrown away."""
    module.requires_grad_(False)
    yield
    module.requires_grad_(True)


@torch.no_grad()
def units_of(model: SQVAE, mel: Float[Tensor, "B T M"]) -> Float[Tensor, "B L D"]:
    """Return what the units of a log-mel stand for: the encoder and the quantiser do as they do after training, but
    that a residual one still draws for each row how many stages there are.
    """  # noqa: D205
    encoder, quantizer = (model.get_submodule(name) for name in ("encoder", "quantizer"))
    encoder.eval()
    quantizer.eval()
    quantizer.training = isinstance(quantizer, Residual)
    z = model.quantize(mel).z
    encoder.train()
    quantizer.train()
    return z


def relative_distance(real: Sequence[Tensor], made: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Return the mean over the layers of Σ|real − made| / Σ|real|; the scores are left out."""
    pairs = zip(real[:-1], made[:-1], strict=True)
    return torch.stack([(r - m).abs().mean() / r.abs().mean() for r, m in pairs]).mean()
