"""Evaluation of discrete units, without the model that made them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqspeech.data.data_dir import DataDir
from sqspeech.evaluation.metrics.alignment import read_ctm
from sqspeech.evaluation.metrics.item import ItemFile
from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS, UnitMetric, UnitTestData
from sqspeech.evaluation.units.baselines import baselines
from sqspeech.evaluation.units.checks import check_alignment, check_item, check_priors, matching_data
from sqspeech.features import LogMelConfig
from sqspeech.priors.trained import Prior
from sqspeech.units import UnitSet


@dataclass(frozen=True, kw_only=True)
class UnitEvaluation:
    """Evaluation of several systems on the same utterances.

    Attributes
    ----------
    metrics
        Plain values by name: of `systems` and of `baselines`, each by its name, and of the data. `notes` lists the data
        that were left out.
    measured
        The metrics, with which `draw` draws.
    """

    metrics: dict[str, Any]
    measured: Sequence[UnitMetric]

    def draw(self, folder: Path) -> None:
        """Write trade.png and the pictures of the metrics."""
        from sqspeech.evaluation.units.trade_picture import draw_trade

        draw_trade(folder / "trade.png", self.metrics)
        for metric in self.measured:
            metric.draw(folder)


def evaluate_units(
    systems: Mapping[str, UnitSet],
    data: DataDir,
    *,
    item: Path | None = None,
    alignment: Path | None = None,
    priors: Sequence[Prior] = (),
) -> UnitEvaluation:
    """Measure units by all registered metrics, with MFCC and log-mel as baselines.

    Parameters
    ----------
    systems
        Units by the name of the system that made them, all of the same utterances; the log-mel is that of the first.
    data
        The recordings from which they were made, and perhaps more: speakers, durations and the audio of the baselines.
    item
        A ZeroSpeech item file over these utterances: adds ABX.
    alignment
        A CTM file, which may name other utterances too: adds purities and mutual information.
    priors
        Of the units of some systems: adds their bitrate under it.

    Raises
    ------
    DataError
        The inputs cannot be used or do not belong together; see `ItemFile`, `read_ctm`, `matching_data`, `check_item`,
        `check_alignment`, `check_priors` and the metrics.
    """
    test = _test_data(systems, data, item, alignment, priors)
    kinds = [UNIT_METRICS[name] for name in UNIT_METRICS.names()]
    measured = [kind(test) for kind in kinds if all(getattr(test, need) is not None for need in kind.needs)]
    unused = len(data) - len(test.data)
    notes = [f"utterances of the data directory without units: {unused}"] if unused else []
    metrics: dict[str, Any] = {
        "systems": {
            name: {"checkpoint": units.info.checkpoint} | _merged(metric.of_system(name) for metric in measured)
            for name, units in systems.items()
        },
        "baselines": {name: _merged(metric.of_baseline(name) for metric in measured) for name in test.baselines},
        **_merged(metric.of_data() for metric in measured),
        "speakers": len(test.data.speakers),
        "utterances": len(test.data),
        "seconds": sum(test.seconds.values()),
        "notes": notes + [note for metric in measured for note in metric.notes()],
    }
    return UnitEvaluation(metrics=metrics, measured=measured)


def _test_data(
    systems: Mapping[str, UnitSet],
    data: DataDir,
    item: Path | None,
    alignment: Path | None,
    priors: Sequence[Prior],
) -> UnitTestData:
    phones = ItemFile.read(item) if item else None
    alignments = read_ctm(alignment) if alignment else None
    used, seconds = matching_data(systems, data)
    if phones:
        check_item(phones, seconds, slack=1 / min(units.info.frame_rate for units in systems.values()))
    if alignment and alignments:
        check_alignment(alignment, alignments, seconds)
    check_priors(priors, systems)
    return UnitTestData(
        systems=systems,
        data=used,
        seconds=seconds,
        baselines=baselines(used, LogMelConfig(**next(iter(systems.values())).info.features)),
        item=phones,
        alignments=alignments,
        priors={prior.info.checkpoint: prior for prior in priors} or None,
    )


def _merged(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}
