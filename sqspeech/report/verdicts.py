"""One sentence on each key figure: what its value says of this model."""

from collections.abc import Callable, Mapping
from typing import Any

type Scalars = Mapping[str, Any]

# Points of a percentage, and of a mean opinion, below which two figures are called alike.
POINT, OPINION = 1.0, 0.1
# Of a codebook.
EVEN, UNEVEN = 0.8, 0.4


def verdict(key: str, scalars: Scalars) -> str:
    """Return the sentence of a figure; empty where what it is compared with was not measured."""
    try:
        return VERDICTS[key](scalars)
    except KeyError:
        return ""


def _reconstruction(scalars: Scalars) -> str:
    kept = max(0.0, 100 - scalars["mse_percent"])
    return f"Units and speaker keep {kept:.0f} % of what varies in the spectrogram."


def _perplexity(scalars: Scalars) -> str:
    share = scalars["perplexity"] / scalars["codebook_size"]
    how = "evenly" if share >= EVEN else "unevenly" if share >= UNEVEN else "very unevenly"
    return f"The codes are used {how}: as much as {share:.0%} of them, equally often."


def _active(scalars: Scalars) -> str:
    unused = scalars["codebook_size"] - scalars["active_codes"]
    return f"{unused:g} codes do no work." if unused else "No code is wasted."


def _bitrate(scalars: Scalars) -> str:
    if not scalars["bitrate"]:
        return "All units are the same, and tell nothing."
    times = 256_000 / scalars["bitrate"]
    return f"{times:,.0f} times less than samples of 16 bits at 16 kHz."


def _abx(key: str) -> Callable[[Scalars], str]:
    def sentence(scalars: Scalars) -> str:
        gain = scalars[f"{key}_mfcc"] - scalars[key]
        if abs(gain) < POINT:
            return "Units tell phones apart about as well as MFCC."
        how = "better" if gain > 0 else "worse"
        return f"Units tell phones apart {how} than MFCC, by {abs(gain):.1f} points."

    return sentence


def _nearer(to_target: str, to_source: str, what: str, *, larger_is_nearer: bool = False) -> Callable[[Scalars], str]:
    def sentence(scalars: Scalars) -> str:
        target, source = scalars[to_target], scalars[to_source]
        reached = target > source if larger_is_nearer else target < source
        return f"The {what} is nearer to the {'target' if reached else 'source: conversion does not reach the target'}."

    return sentence


def _words(kind: str) -> Callable[[Scalars], str]:
    def sentence(scalars: Scalars) -> str:
        lost = scalars[f"judges_{kind}_word_error"] - scalars["judges_copy_word_error"]
        if lost < POINT:
            return "As many words are understood as through the vocoder alone."
        return f"Units lose {lost:.0f} of 100 words more than the vocoder alone."

    return sentence


def _quality(kind: str) -> Callable[[Scalars], str]:
    def sentence(scalars: Scalars) -> str:
        lost = scalars["judges_copy_distillmos"] - scalars[f"judges_{kind}_distillmos"]
        if lost < OPINION:
            return "It sounds as good as the vocoder alone."
        return f"Units cost {lost:.1f} of 5 beside the vocoder alone."

    return sentence


def _target_nearest(scalars: Scalars) -> str:
    missed = scalars["judges_natural_nearest_target"] - scalars["judges_conversion_nearest_target"]
    if missed < POINT:
        return "Conversions are taken for their target as often as natural speech is."
    return f"{missed:.0f} of 100 conversions are taken for somebody else that natural speech is not."


VERDICTS: dict[str, Callable[[Scalars], str]] = {
    "mse_db2": _reconstruction,
    "perplexity": _perplexity,
    "active_codes": _active,
    "bitrate": _bitrate,
    **{key: _abx(key) for key in ("abx_across", "abx_within")},
    "parallel_f0_to_target_semitones": _nearer(
        "parallel_f0_to_target_semitones", "parallel_f0_to_source_semitones", "pitch"
    ),
    "parallel_mel_to_target_db": _nearer("parallel_mel_to_target_db", "parallel_mel_to_source_db", "timbre"),
    **{f"judges_{kind}_word_error": _words(kind) for kind in ("reconstruction", "conversion")},
    **{f"judges_{kind}_distillmos": _quality(kind) for kind in ("reconstruction", "conversion")},
    "judges_conversion_similarity_target": _nearer(
        "judges_conversion_similarity_target",
        "judges_conversion_similarity_source",
        "voice",
        larger_is_nearer=True,
    ),
    "judges_conversion_nearest_target": _target_nearest,
}
