"""Warnings in words about a training that goes wrong."""

import math
from collections.abc import Iterator, Mapping

# The share of the codebook below which its perplexity counts as collapsed.
COLLAPSED = 0.05
# The share of log K above which a posterior still says nothing about its latent.
UNDECIDED = 0.9
# The decoder hears the codes when others raise the error by more than this share.
HEARD = 0.05
# How many validations a model is given before annealing and the decoder are judged.
PATIENCE = 3


class Health:
    """Warnings that are each said once, until their condition has passed.

    Parameters
    ----------
    codebook_size
        K, or None where the quantiser has no codebook.
    """

    def __init__(self, codebook_size: int | None) -> None:
        self.codebook_size = codebook_size
        self._seen, self._said = 0, set[str]()

    def examine(self, train: Mapping[str, float], dev: Mapping[str, float]) -> list[str]:
        """Return what is to be said after a validation, given the newest statistics of training and of dev."""
        self._seen += 1
        found = dict(self._collapse(dev))
        if self._seen >= PATIENCE:
            found |= dict(self._no_annealing(train)) | dict(self._ignored(dev))
        new = [text for name, text in found.items() if name not in self._said]
        self._said = set(found)
        return new

    def state(self) -> dict[str, object]:
        """Return what `load` needs."""
        return {"seen": self._seen, "said": sorted(self._said)}

    def load(self, state: Mapping[str, object]) -> None:
        """Go on from a state."""
        self._seen, self._said = int(str(state["seen"])), set(state["said"])  # type: ignore[call-overload]

    def _collapse(self, dev: Mapping[str, float]) -> Iterator[tuple[str, str]]:
        size, found = self.codebook_size, dev.get("dev_perplexity", math.inf)
        if size and found < COLLAPSED * size:
            yield (
                "collapse",
                f"the codebook collapses: the dev perplexity is {found:.1f}, under 5 % of {size} codes; if it does not "
                "rise, lower training.learning_rate, take a smaller quantizer.codebook_size, or with vq_ema set "
                "quantizer.reset=true",
            )

    def _no_annealing(self, train: Mapping[str, float]) -> Iterator[tuple[str, str]]:
        entropy = train.get("entropy")
        if self.codebook_size and entropy is not None and entropy > UNDECIDED * math.log(self.codebook_size):
            variance = f", the mean log variance {train['log_variance']:.2f}" if "log_variance" in train else ""
            yield (
                "annealing",
                f"the posterior does not anneal: its entropy is {entropy:.2f} of at most "
                f"{math.log(self.codebook_size):.2f} nats{variance}; train longer, raise training.learning_rate or "
                "start from a lower quantizer.initial_variance",
            )

    def _ignored(self, dev: Mapping[str, float]) -> Iterator[tuple[str, str]]:
        own, other = dev["dev_mse_db2"], dev.get("dev_mse_db2_other_codes", math.inf)
        if other < (1 + HEARD) * own:
            yield (
                "ignored",
                f"the decoder ignores the codes: {own:.1f} dB² with an utterance's own, {other:.1f} dB² with the "
                "reversed ones; lower decoder.jitter or decoder.width, or raise training.learning_rate",
            )
