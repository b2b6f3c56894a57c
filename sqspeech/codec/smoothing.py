"""Units that change less often, at a price for each change."""

import math

import numpy as np
from jaxtyping import Float, Int

from sqspeech.checkpoint import TrainedModel
from sqspeech.errors import ConfigError

# Below what single precision tells from 0.
LEAST = 1e-38


def check_smoothing(trained: TrainedModel, penalty: float) -> None:
    """Raise ConfigError where the penalty is no number from 0 on, or a model's units cannot be smoothed."""
    if not 0 <= penalty < math.inf:
        raise ConfigError(f"smooth: {penalty:g} is not a number of nats from 0 on; 4 is a usual one")
    quantizer = trained.model.quantizer
    if penalty and quantizer.stages > 1:
        raise ConfigError(
            f"smooth: units of {quantizer.stages} stages are not smoothed; take the first stage alone, or leave it out"
        )


def smoothed(posteriors: Float[np.ndarray, "L K"], penalty: float) -> Int[np.ndarray, " L"]:
    """Return the codes c of the least Σ_t −ln P(c_t | z_t) + `penalty` · (number of changes), by dynamic programming.

    The longer a run, the less of it is decided by single steps; with a penalty of 0 each step has its most probable
    code. Source: Kamper and van Niekerk, "Towards unsupervised phone and word segmentation using self-supervised
    vector-quantized neural networks", Interspeech 2021 (arXiv 2012.07551), whose reward of long segments is, but for a
    constant, a penalty of changes.

    Parameters
    ----------
    posteriors
        P(c | z) of each step.
    penalty
        In nats, at least 0.
    """
    costs = -np.log(np.maximum(posteriors, LEAST, dtype=np.float64))
    total, codes = costs[0], np.empty(len(costs), np.int64)
    # Of each step: which codes stay on the best path to them, and what the others change from.
    stays, best = np.zeros(costs.shape, bool), np.zeros(len(costs), np.int64)
    for step, cost in enumerate(costs[1:], 1):
        best[step] = total.argmin()
        changed = total[best[step]] + penalty
        stays[step] = total <= changed
        total = np.minimum(total, changed) + cost
    codes[-1] = total.argmin()
    for step in range(len(costs) - 1, 0, -1):
        codes[step - 1] = codes[step] if stays[step, codes[step]] else best[step]
    return codes
