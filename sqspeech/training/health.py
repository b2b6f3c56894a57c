"""Warnings in words about a training that goes wrong."""

from collections.abc import Callable, Mapping

type FindFaults = Callable[[Mapping[str, float], Mapping[str, float], int], Mapping[str, str]]


class Health:
    """Warnings that are each given once, until their fault has passed.

    Parameters
    ----------
    find_faults
        Returns the faults by a key for each, given the newest statistics of training and of dev, and the number of
        validations (see `Task.warnings`).
    """

    def __init__(self, find_faults: FindFaults) -> None:
        self._find_faults = find_faults
        self._seen, self._reported = 0, set[str]()

    def examine(self, train: Mapping[str, float], dev: Mapping[str, float]) -> list[str]:
        """Return the new warnings after a validation, given the newest statistics of training and of dev."""
        self._seen += 1
        found = self._find_faults(train, dev, self._seen)
        new = [text for name, text in found.items() if name not in self._reported]
        self._reported = set(found)
        return new

    def state(self) -> dict[str, object]:
        """Return what `load` needs."""
        return {"seen": self._seen, "said": sorted(self._reported)}

    def load(self, state: Mapping[str, object]) -> None:
        """Go on from a state."""
        self._seen, self._reported = int(str(state["seen"])), set(state["said"])  # type: ignore[call-overload]
