"""Faults of a quantised model that its statistics show: a collapsed codebook, no annealing, ignored codes."""

import math
from collections.abc import Iterator, Mapping

# The share of the codebook below which its perplexity counts as collapsed.
COLLAPSED = 0.05
# The share of log K above which a posterior still holds nothing of its latent.
UNDECIDED = 0.9
# The decoder uses the codes when others raise the error by more than this share.
USED = 0.05
# Validations before annealing and the decoder are judged.
PATIENCE = 3


def find_faults(
    codebook_size: int | None, train: Mapping[str, float], dev: Mapping[str, float], validations: int
) -> dict[str, str]:
    """Return the faults in words by a key for each, given the newest statistics of training and of dev.

    Parameters
    ----------
    codebook_size
        K, or None where the quantiser has no codebook.
    train, dev
        As `SqvaeTask` logs them.
    validations
        How many there were, with this one.
    """
    faults = dict(_collapse(codebook_size, dev))
    if validations >= PATIENCE:
        faults |= dict(_no_annealing(codebook_size, train)) | dict(_ignored(dev))
    return faults


def _collapse(size: int | None, dev: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    found = dev.get("dev_perplexity", math.inf)
    if size and found < COLLAPSED * size:
        yield (
            "collapse",
            f"the codebook collapses: the dev perplexity is {found:.1f}, under 5 % of {size} codes; if it does not "
            "rise, lower training.learning_rate, take a smaller quantizer.codebook_size, or with vq_ema set "
            "quantizer.reset=true",
        )


def _no_annealing(size: int | None, train: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    entropy = train.get("entropy")
    if size and entropy is not None and entropy > UNDECIDED * math.log(size):
        variance = f", the mean log variance {train['log_variance']:.2f}" if "log_variance" in train else ""
        yield (
            "annealing",
            f"the posterior does not anneal: its entropy is {entropy:.2f} of at most {math.log(size):.2f} nats"
            f"{variance}; train longer, raise training.learning_rate or start from a lower quantizer.initial_variance",
        )


def _ignored(dev: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    own, other = dev["dev_mse_db2"], dev.get("dev_mse_db2_other_codes", math.inf)
    if other < (1 + USED) * own:
        yield (
            "ignored",
            f"the decoder ignores the codes: {own:.1f} dB² with an utterance's own, {other:.1f} dB² with the reversed "
            "ones; lower decoder.jitter or decoder.width, or raise training.learning_rate",
        )
