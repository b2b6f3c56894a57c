"""Figures of metrics.json, with a short explanation of each and the direction that is better."""

from collections.abc import Iterator
from dataclasses import dataclass
from string import Formatter

from sqspeech.report.verdicts import verdict

type Scalar = str | int | float


@dataclass(frozen=True, kw_only=True)
class KeyFigure:
    """Row of the table of key figures.

    `key` names the value in metrics.json, where nested names are joined by "_"; `beside` is a format string over the
    same names, with values to compare with.
    """

    key: str
    name: str
    unit: str = ""
    beside: str = ""
    meaning: str
    better: str


@dataclass(frozen=True, kw_only=True)
class ShownFigure:
    """Key figure with its value, exact and as shown, and a sentence on it."""

    figure: KeyFigure
    exact: Scalar
    shown: str
    beside: str
    verdict: str


# Kinds of synthetic speech that are judged, and what is beside their figures.
JUDGED = {"reconstruction": "Reconstruction", "conversion": "Conversion"}
NATURAL_WORDS = "natural {judges_natural_word_error:.1f} %, vocoder alone {judges_copy_word_error:.1f} %"
NATURAL_QUALITY = "natural {judges_natural_distillmos:.2f}, vocoder alone {judges_copy_distillmos:.2f}"

KEY_FIGURES = (
    KeyFigure(
        key="mse_db2",
        name="Reconstruction error",
        unit="dB²",
        beside="{mse_percent:.1f} % of the feature variance, {feature_variance_db2:.0f} dB²",
        meaning="Mean squared error of the log-mel spectrogram that is decoded from the units.",
        better="lower",
    ),
    KeyFigure(
        key="perplexity",
        name="Codebook perplexity",
        beside="of {codebook_size}",
        meaning="Effective number of codes over the test set: all, if all are equally frequent. A mean over stages.",
        better="higher",
    ),
    KeyFigure(
        key="active_codes",
        name="Active codes",
        beside="of {codebook_size}",
        meaning="Codes that occur at least once in the test set; the others are unused. A mean over stages.",
        better="higher",
    ),
    KeyFigure(
        key="bitrate",
        name="Bitrate",
        unit="bit/s",
        meaning="Information in the units per second of speech: entropy times rate, as in ZeroSpeech.",
        better="lower, at equal ABX",
    ),
    KeyFigure(
        key="abx_across",
        name="ABX error, across speakers",
        unit="%",
        beside="MFCC features: {abx_across_mfcc:.1f} %",
        meaning="Rate of confusion of two phones between speakers; 50 % is chance.",
        better="lower",
    ),
    KeyFigure(
        key="abx_within",
        name="ABX error, within speaker",
        unit="%",
        beside="MFCC features: {abx_within_mfcc:.1f} %",
        meaning="The same, with all examples from one speaker.",
        better="lower",
    ),
    KeyFigure(
        key="parallel_f0_to_target_semitones",
        name="Conversion: pitch",
        unit="semitones",
        beside="from the target speaker; {parallel_f0_to_source_semitones:.1f} from the source",
        meaning="Distance in F0 between a converted sentence and the target speaker's recording of it.",
        better="lower, and nearer to the target than to the source",
    ),
    KeyFigure(
        key="parallel_mel_to_target_db",
        name="Conversion: timbre",
        unit="dB",
        beside="from the target speaker; {parallel_mel_to_source_db:.1f} from the source",
        meaning="Distance in log-mel between a converted sentence and the target speaker's recording of it.",
        better="lower, and nearer to the target than to the source",
    ),
    *(
        KeyFigure(
            key=f"judges_{kind}_word_error",
            name=f"{name}: word error",
            unit="%",
            beside=f"± {{judges_{kind}_word_error_std:.1f}} over utterances; {NATURAL_WORDS}",
            meaning="Words that a speech recogniser reads wrongly, over all words.",
            better="lower",
        )
        for kind, name in JUDGED.items()
    ),
    *(
        KeyFigure(
            key=f"judges_{kind}_distillmos",
            name=f"{name}: DistillMOS",
            beside=f"± {{judges_{kind}_distillmos_std:.2f}} over utterances; {NATURAL_QUALITY}",
            meaning="Quality from 1 to 5 that a network predicts which learnt listeners' opinions.",
            better="higher",
        )
        for kind, name in JUDGED.items()
    ),
    KeyFigure(
        key="judges_conversion_similarity_target",
        name="Conversion: similarity",
        beside="± {judges_conversion_similarity_target_std:.3f} to the target speaker; "
        "{judges_conversion_similarity_source:.3f} to the source",
        meaning="Cosine of speaker embeddings of a conversion and of the target speaker's recordings.",
        better="higher, and nearer to the target than to the source",
    ),
    KeyFigure(
        key="judges_conversion_nearest_target",
        name="Conversion: target nearest",
        unit="%",
        beside="of all speakers; natural speech: {judges_natural_nearest_target:.0f} %",
        meaning="Conversions whose speaker embedding is nearest to the target's.",
        better="higher",
    ),
)


def key_figures(metrics: dict[str, object]) -> list[ShownFigure]:
    """Return the key figures in `metrics`, in the order of `KEY_FIGURES`."""
    scalars = _with_percentage(dict(_scalars(metrics)))
    return [
        ShownFigure(
            figure=figure,
            exact=scalars[figure.key],
            shown=_shown(scalars[figure.key]),
            beside=_beside(figure.beside, scalars),
            verdict=verdict(figure.key, scalars),
        )
        for figure in KEY_FIGURES
        if figure.key in scalars
    ]


def other_figures(metrics: dict[str, object]) -> dict[str, tuple[Scalar, str]]:
    """Return the scalars that no key figure shows, by name: the value, exact and as shown."""
    in_key_figures = {figure.key for figure in KEY_FIGURES} | {
        name for figure in KEY_FIGURES for _, name, _, _ in Formatter().parse(figure.beside) if name
    }
    return {name: (value, _shown(value)) for name, value in _scalars(metrics) if name not in in_key_figures}


def _scalars(metrics: dict[str, object]) -> Iterator[tuple[str, Scalar]]:
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from _scalars({f"{name}_{inner}": item for inner, item in value.items()})
        elif isinstance(value, str | int | float):
            yield name, value


def _with_percentage(scalars: dict[str, Scalar]) -> dict[str, Scalar]:
    match scalars:
        case {"mse_db2": int() | float() as error, "feature_variance_db2": int() | float() as variance} if variance > 0:
            return scalars | {"mse_percent": 100 * error / variance}
    return scalars


def _beside(template: str, scalars: dict[str, Scalar]) -> str:
    try:
        return template.format_map(scalars)
    except KeyError:
        return ""


def _shown(value: Scalar) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
