"""BatchNorm over a batch that processes share."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sqspeech import distributed


class BatchNorm(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` whose training statistics are those of the rows of all processes.

    torch's own SyncBatchNorm does this on GPUs only.
    """

    momentum: float

    def forward(self, input: Float[Tensor, "B C T"]) -> Float[Tensor, "B C T"]:
        """Return the normalised channels."""
        if distributed.world_size() == 1:
            return super().forward(input)
        values = input.float()
        size = values.shape[0] * values.shape[2] * distributed.world_size()
        mean = distributed.all_reduce_sum(values.sum((0, 2), keepdim=True)) / size
        centred = values - mean
        variance = distributed.all_reduce_sum(centred.square().sum((0, 2), keepdim=True)) / size
        self._follow(mean.flatten(), variance.flatten() * size / (size - 1))
        scale = self.weight[:, None] * torch.rsqrt(variance + self.eps)
        return (centred * scale + self.bias[:, None]).to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        for buffer, value in ((self.running_mean, mean), (self.running_var, variance)):
            assert buffer is not None
            buffer.lerp_(value, self.momentum)
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
