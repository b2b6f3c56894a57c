"""Evaluation of discrete units, without the model that made them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqspeech.data.data_dir import DataDir
from sqspeech.errors import ConfigError
from sqspeech.evaluation.metrics.alignment import read_ctm
from sqspeech.evaluation.metrics.item import ItemFile
from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS, UnitMetric, UnitTestData
from sqspeech.evaluation.units.baselines import BASELINES, baselines
from sqspeech.evaluation.units.bootstrap import DRAWS, differences
from sqspeech.evaluation.units.checks import check_alignment, check_item, check_priors, check_speakers, matching_data
from sqspeech.evaluation.units.seeds import deviation, mean
from sqspeech.features import LogMelConfig
from sqspeech.priors.trained import Prior
from sqspeech.units import UnitSet


@dataclass(frozen=True, kw_only=True)
class UnitEvaluation:
    """Evaluation of several systems on the same utterances.

    Attributes
    ----------
    metrics
        Plain values by name: of `systems` and of `baselines`, each by its name, and of the data. Of a system with
        several seeds, `systems` has the mean, `sd` the sample standard deviation and `seeds` the values of each. With
        a reference, `differences` has those to it with their intervals. `notes` lists the data that were left out.
    measured
        The metrics, with which `draw` draws.
    """

    metrics: dict[str, Any]
    measured: Sequence[UnitMetric]

    def draw(self, folder: Path) -> None:
        """Write the pictures of the metrics."""
        for metric in self.measured:
            metric.draw(folder)


def evaluate_units(
    systems: Mapping[str, UnitSet],
    data: DataDir,
    *,
    item: Path | None = None,
    alignment: Path | None = None,
    priors: Sequence[Prior] = (),
    seeds: Mapping[str, Sequence[str]] | None = None,
    against: str | None = None,
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
    seeds
        The names in `systems` that are seeds of one system, by the name of this system, for all of `systems`; where not
        given, each is a system.
    against
        A system, or `mfcc` or `log_mel`: adds the differences to it, see `bootstrap.differences`.

    Raises
    ------
    ConfigError
        There is no system or baseline of the name `against`.
    DataError
        The inputs cannot be used or do not belong together; see `ItemFile`, `read_ctm`, `matching_data`, `check_item`,
        `check_alignment`, `check_priors`, `check_speakers` and the metrics.
    """
    seeds = seeds or {name: [name] for name in systems}
    if against is not None and against not in (known := [*seeds, *BASELINES]):
        raise ConfigError(f"against {against}: no such system or baseline; there are {', '.join(known)}")
    test = _test_data(systems, data, item, alignment, priors)
    if test.item and against is not None:
        check_speakers(test.item, test.data)
    kinds = [UNIT_METRICS[name] for name in UNIT_METRICS.names()]
    measured = [kind(test) for kind in kinds if all(getattr(test, need) is not None for need in kind.needs)]
    metrics: dict[str, Any] = {
        **_of_systems(measured, systems, seeds),
        "baselines": {name: _merged(metric.of_baseline(name) for metric in measured) for name in test.baselines},
        **_merged(metric.of_data() for metric in measured),
        "speakers": len(test.data.speakers),
        "utterances": len(test.data),
        "seconds": sum(test.seconds.values()),
        "notes": _notes(len(data) - len(test.data), measured),
    }
    if against is not None:
        found = differences(measured, seeds, against, test.data.speakers)
        metrics["differences"] = {"against": against, "draws": DRAWS, "systems": found}
    return UnitEvaluation(metrics=metrics, measured=measured)


def _of_systems(
    measured: Sequence[UnitMetric], systems: Mapping[str, UnitSet], seeds: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    values = {
        name: {"checkpoint": units.info.checkpoint} | _merged(metric.of_system(name) for metric in measured)
        for name, units in systems.items()
    }
    several = {
        name: {seed: values[seed] for seed in of_system} for name, of_system in seeds.items() if len(of_system) > 1
    }
    means = {name: mean(list(of_system.values())) for name, of_system in several.items()}
    found: dict[str, Any] = {"systems": {name: means.get(name) or values[first] for name, (first, *_) in seeds.items()}}
    if several:
        found["sd"] = {name: deviation(list(of_system.values())) for name, of_system in several.items()}
        found["seeds"] = several
    return found


def _notes(unused: int, measured: Sequence[UnitMetric]) -> list[str]:
    notes = [f"utterances of the data directory without units: {unused}"] if unused else []
    return notes + [note for metric in measured for note in metric.notes()]


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
        priors={prior.info.origin: prior for prior in priors} or None,
    )


def _merged(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}
