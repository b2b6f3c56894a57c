"""Panels of training curves: their titles, units and series."""

from dataclasses import dataclass

from sqspeech.report.experiment import Curves


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One of the small multiples: `series` maps names in the training log to their labels."""

    title: str
    unit: str = ""
    meaning: str = ""
    series: dict[str, str]
    log: bool = False


PANELS = (
    Panel(
        title="Reconstruction error",
        unit="dB²",
        meaning="Of the log-mel; dev utterances are unseen.",
        series={"mse_db2": "train", "dev_mse_db2": "dev"},
        log=True,
    ),
    Panel(
        title="Loss",
        meaning="The minimised sum: reconstruction + KL.",
        series={"loss": "loss", "reconstruction": "reconstruction", "kl": "KL"},
    ),
    Panel(
        title="KL divergence",
        unit="nats",
        meaning="From the uniform prior over codes; never below zero.",
        series={"kl": "train"},
    ),
    Panel(
        title="Posterior entropy",
        unit="nats",
        meaning="Falls as quantisation turns deterministic.",
        series={"entropy": "train"},
    ),
    Panel(
        title="Mean log variance",
        meaning="Of the quantiser, log σ². It may rise in dimensions without information; compare the entropy.",
        series={"log_variance": "train"},
    ),
    Panel(
        title="Codebook use",
        unit="codes",
        meaning="Perplexity; one batch and the dev set differ in size.",
        series={
            "batch_perplexity": "one batch",
            "dev_perplexity": "dev set",
            "dev_active_codes": "dev, active codes",
        },
    ),
    Panel(
        title="Bits a unit",
        meaning="What a unit costs under the prior; the trigram is of the same training units.",
        series={"bits_per_unit": "train", "dev_bits_per_unit": "dev", "dev_trigram_bits_per_unit": "dev, trigram"},
    ),
    Panel(title="Temperature", meaning="Of the Gumbel-softmax; a schedule.", series={"temperature": "train"}),
    Panel(title="Learning rate", meaning="Of Adam; a schedule.", series={"learning_rate": "train"}),
)


# Curves of the engine that need no panel.
LEFT_OUT = {"steps_per_second", "gradient_norm"}


def panels(curves: Curves) -> list[Panel]:
    """Return the known panels that have a curve, then one for each other curve: a task may log any value."""
    known = [panel for panel in PANELS if panel.series.keys() & curves.keys()]
    shown = {name for panel in known for name in panel.series} | LEFT_OUT
    others = dict.fromkeys(name.removeprefix("dev_") for name in curves if name not in shown)
    return known + [Panel(title=name, series={name: "train", f"dev_{name}": "dev"}) for name in others]
