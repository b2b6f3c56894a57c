"""The convolutional and residual encoder and decoder."""

from jaxtyping import Float
from torch import Tensor, nn

from images.config import NetworkConfig


class Residual(nn.Module):
    """A 3 × 3 and a 1 × 1 convolution beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Float[Tensor, "B W H W2"]) -> Float[Tensor, "B W H W2"]:
        """Return the input and what the layers add to it."""
        added: Tensor = self.layers(x)
        return x + added


def encoder(config: NetworkConfig, inputs: int, outputs: int) -> nn.Sequential:
    """Return a network from (B, `inputs`, H, W) to (B, `outputs`, H / 2ⁿ, W / 2ⁿ), n being `num_down`."""
    width, layers = config.width, list[nn.Module]()
    for level in range(config.num_down):
        layers.append(nn.Conv2d(width if level else inputs, width, 4, stride=2, padding=1))
        layers += [Residual(width) for _ in range(config.depth)]
    layers.append(nn.Conv2d(width if config.num_down else inputs, outputs, 3, padding=1))
    return nn.Sequential(*layers)


def decoder(config: NetworkConfig, inputs: int, outputs: int) -> nn.Sequential:
    """Return the encoder's mirror image, from (B, `inputs`, H, W) to (B, `outputs`, 2ⁿ H, 2ⁿ W)."""
    width, last = config.width, config.num_down - 1
    layers: list[nn.Module] = [nn.Conv2d(inputs, width if config.num_down else outputs, 3, padding=1)]
    for level in range(config.num_down):
        layers += [Residual(width) for _ in range(config.depth)]
        layers.append(nn.ConvTranspose2d(width, outputs if level == last else width, 4, stride=2, padding=1))
    return nn.Sequential(*layers)
