"""Mean and standard deviation of metrics over the seeds of a system."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any


def mean(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean of each number that all seeds have, in mappings and lists of equal length likewise."""
    return dict(_combined(seeds, fmean) or {})


def deviation(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sample standard deviation of each number that all seeds, at least two, have."""
    return dict(_combined(seeds, stdev) or {})


def _combined(values: Sequence[Any], combine: Callable[[Sequence[float]], float]) -> Any:
    """Return one value for several, None where they are no numbers."""
    first = values[0]
    if all(isinstance(value, Mapping) for value in values):
        shared = [key for key in first if all(key in value for value in values)]
        found = {key: _combined([value[key] for value in values], combine) for key in shared}
        return {key: value for key, value in found.items() if value is not None}
    if all(isinstance(value, list) and len(value) == len(first) for value in values):
        return [_combined(part, combine) for part in zip(*values, strict=True)]
    return combine(values) if all(isinstance(value, int | float) for value in values) else None
