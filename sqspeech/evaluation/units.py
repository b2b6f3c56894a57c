"""Everything that is measured of discrete units, without the model that made them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError
from sqspeech.evaluation.abx import AbxScores
from sqspeech.evaluation.alignment import read_ctm
from sqspeech.evaluation.baselines import baselines
from sqspeech.evaluation.bitrate import bitrate, bitrate_of_runs, bitrate_of_timed_runs
from sqspeech.evaluation.codebook import active_codes, perplexity, usage
from sqspeech.evaluation.leakage import Leakage, speaker_leakage
from sqspeech.evaluation.purity import PhoneCounts, cluster_purity, count_phones, phone_purity, pnmi
from sqspeech.evaluation.unit_abx import abx_of_units
from sqspeech.evaluation.unit_checks import check_item, matching_data
from sqspeech.features import LogMelConfig
from sqspeech.units import UnitSet


@dataclass(frozen=True, kw_only=True)
class UnitEvaluation:
    """Measurements of several systems on the same utterances.

    Attributes
    ----------
    metrics
        Plain values by name: of `systems` and of `baselines`, each by its name, and of the data. `notes` says
        what was passed over.
    phones
        How often phones and units fall together, by system; empty without an alignment.
    """

    metrics: dict[str, Any]
    phones: dict[str, PhoneCounts]


def evaluate_units(
    systems: Mapping[str, UnitSet], data: DataDir, *, item: Path | None = None, alignment: Path | None = None
) -> UnitEvaluation:
    """Measure units, and MFCC and log-mel beside them.

    Parameters
    ----------
    systems
        Units by the name of what made them, all of the same utterances; the log-mel is that of the first.
    data
        The recordings they were made of, and perhaps more: speakers, durations and the audio of the baselines.
    item
        A ZeroSpeech item file over these utterances: adds ABX.
    alignment
        A CTM file, which may name other utterances too: adds purities and mutual information.

    Raises
    ------
    DataError
        The inputs cannot be used or do not belong together; see `matching_data`, `check_item`, `read_ctm`,
        `count_phones` and `abx`.
    """
    used, seconds = matching_data(systems, data)
    if item:
        check_item(item, seconds, slack=1 / min(units.info.frame_rate for units in systems.values()))
    phones = _phones(systems, alignment) if alignment else {}
    speakers = {utterance.utt_id: utterance.spk_id for utterance in used}
    references = baselines(used, LogMelConfig(**next(iter(systems.values())).info.features))
    vectors = {name: _histograms(units) for name, units in systems.items()}
    leakage, too_few = _leakage(vectors | {name: baseline.means for name, baseline in references.items()}, speakers)
    frames = {name: baseline.frames for name, baseline in references.items()}
    of_units, of_baselines = abx_of_units(item, systems, frames) if item else ({}, {})
    metrics = {
        "systems": {
            name: _code_metrics(units, sum(seconds.values()))
            | {f"abx_{kind}": _abx(scores) for kind, scores in of_units.get(name, {}).items()}
            | (_phone_metrics(phones[name]) if alignment else {})
            | _speaker_metrics(leakage, name)
            for name, units in systems.items()
        },
        "baselines": {
            name: ({"abx": _abx(of_baselines[name])} if item else {}) | _speaker_metrics(leakage, name)
            for name in references
        },
        "speaker_chance": leakage["mfcc"].chance if leakage else None,
        "speakers": len(used.speakers),
        "utterances": len(used),
        "seconds": sum(seconds.values()),
        "notes": [*too_few, *_notes(len(data) - len(used), leakage.get("mfcc"), phones)],
    }
    return UnitEvaluation(metrics=metrics, phones=phones)


def _phones(systems: Mapping[str, UnitSet], path: Path) -> dict[str, PhoneCounts]:
    alignments = read_ctm(path)
    utterances = list(next(iter(systems.values())))
    if not alignments.keys() & set(utterances):
        raise DataError(
            f"{path}: none of the {len(utterances)} utterances is aligned; it names {min(alignments)}, "
            f"the units {min(utterances)}: is it the alignment of this data?"
        )
    return {name: count_phones(units, alignments) for name, units in systems.items()}


def _histograms(units: UnitSet) -> dict[str, NDArray[np.float64]]:
    """Return how large a share of its steps each unit has in an utterance."""
    size = units.info.codebook_size
    return {utterance: usage([units[utterance].codes], size) / len(units[utterance]) for utterance in units}


def _code_metrics(units: UnitSet, seconds: float) -> dict[str, Any]:
    utterances = [units[utterance] for utterance in units]
    counts = usage((utterance.codes for utterance in utterances), units.info.codebook_size)
    return {
        "checkpoint": units.info.checkpoint,
        "codebook_size": units.info.codebook_size,
        "perplexity": perplexity(counts),
        "active_codes": active_codes(counts),
        "bitrate": bitrate((utterance.codes for utterance in utterances), seconds),
        "bitrate_of_runs": bitrate_of_runs(utterances, seconds),
        "bitrate_of_timed_runs": bitrate_of_timed_runs(utterances, seconds),
        "units_per_second": sum(map(len, utterances)) / seconds,
        "runs_per_second": sum(len(utterance.runs()[0]) for utterance in utterances) / seconds,
    }


def _phone_metrics(phones: PhoneCounts) -> dict[str, Any]:
    return {
        "phone_purity": phone_purity(phones.counts),
        "cluster_purity": cluster_purity(phones.counts),
        "pnmi": pnmi(phones.counts),
        "phones": len(phones.phones),
        "steps_with_a_phone": int(phones.counts.sum()),
        "steps_without_a_phone": phones.unlabelled,
        "utterances_without_alignment": len(phones.unaligned),
    }


def _abx(scores: AbxScores) -> dict[str, Any]:
    return {"within": scores.within, "across": scores.across, "items": scores.items, "dropped": scores.dropped}


def _leakage(
    vectors: Mapping[str, Mapping[str, NDArray[np.floating]]], speakers: Mapping[str, str]
) -> tuple[dict[str, Leakage], list[str]]:
    """Return the leakage of each system and baseline, or nothing and a note where there are too few speakers."""
    try:
        return {name: speaker_leakage(features, speakers) for name, features in vectors.items()}, []
    except DataError as error:
        return {}, [f"no speaker accuracy: {error}"]


def _speaker_metrics(leakage: Mapping[str, Leakage], name: str) -> dict[str, float]:
    return {"speaker_accuracy": leakage[name].accuracy} if leakage else {}


def _notes(unused: int, leakage: Leakage | None, phones: Mapping[str, PhoneCounts]) -> Iterator[str]:
    """Say in words what does not count."""
    if unused:
        yield f"utterances of the data directory without units: {unused}"
    if leakage and leakage.left_out:
        yield f"not in the speaker accuracy, as their speakers' only utterances: {_some(leakage.left_out)}"
    for counts in list(phones.values())[:1]:
        if counts.unaligned:
            yield f"not in the purities, as the alignment lacks them: {_some(counts.unaligned)}"


def _some(utterances: tuple[str, ...]) -> str:
    return f"{len(utterances)} ({', '.join(utterances[:3])}{', ...' if len(utterances) > 3 else ''})"
