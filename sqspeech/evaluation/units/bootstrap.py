"""Paired bootstrap over speakers: how far the difference of two systems depends on who is in the test set."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.evaluation.metrics.unit_metric import Redrawn, UnitMetric, Weights

DRAWS, SEED = 2000, 0
INTERVAL = (2.5, 97.5)


def speaker_draws(speakers: Sequence[str]) -> Weights:
    """Return how often each of S speakers is in each draw of S with replacement; the first draw has each once.

    Shape (1 + DRAWS,) for each speaker.
    """
    count = len(speakers)
    draws = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), size=DRAWS)
    return dict(zip(speakers, np.vstack([np.ones((1, count)), draws]).T, strict=True))


def differences(
    metrics: Sequence[UnitMetric], systems: Mapping[str, Sequence[str]], against: str, speakers: Sequence[str]
) -> dict[str, Any]:
    """Return the difference of each system to a reference, with its 95 % interval, for all values that have one.

    Both are measured on the same draws of speakers. A system is the mean of its seeds, so that the interval is that of
    other speakers and the same trainings.

    Parameters
    ----------
    metrics
        Of the data.
    systems
        The names of the seeds of each system.
    against
        The reference: a system, or else a baseline.
    speakers
        Those of the data.

    Returns
    -------
    differences
        For each system, by the keys of the value, `difference`, `low` and `high`; the reference itself is left out.

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13: the percentile interval.
    """
    weights = speaker_draws(speakers)
    found: dict[str, Any] = {name: {} for name in systems if name != against}
    for metric in metrics:
        reference = _mean_redrawn(metric, systems.get(against, [against]), weights)
        for name, of_system in found.items():
            redrawn = _mean_redrawn(metric, systems[name], weights) if reference else {}
            for row in metric.rows:
                other = row.keys if against in systems else row.baseline
                if row.keys in redrawn and other in reference:
                    _put(of_system, row.keys, interval(redrawn[row.keys] - reference[other]))
    return found


def interval(values: NDArray[np.float64]) -> dict[str, float]:
    """Return the first value, that of the data, and the percentiles of the others, those of the draws, without NaN."""
    low, high = np.nanpercentile(values[1:], INTERVAL)
    return {"difference": float(values[0]), "low": float(low), "high": float(high)}


def _mean_redrawn(metric: UnitMetric, names: Sequence[str], weights: Weights) -> Redrawn:
    first, *others = (metric.redrawn(name, weights) for name in names)
    return {
        key: np.mean([values, *(other[key] for other in others)], axis=0)
        for key, values in first.items()
        if all(key in other for other in others)
    }


def _put(tree: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
    tree[keys[-1]] = value
