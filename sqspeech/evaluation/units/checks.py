"""Consistency checks of units, recordings, item file and alignment."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.alignment import Alignment
from sqspeech.evaluation.metrics.item import ItemFile
from sqspeech.priors.trained import Prior
from sqspeech.units import UnitSet

# A latent step needs whole frames, and the model its context: the steps may end this many before the recording.
EDGE_STEPS = 4


def matching_data(systems: Mapping[str, UnitSet], data: DataDir) -> tuple[DataDir, dict[str, float]]:
    """Return the part of `data` from which the units were made, and the seconds of each utterance.

    Parameters
    ----------
    systems
        Units by the name of the system that made them.
    data
        The recordings they were made from, and perhaps more.

    Raises
    ------
    DataError
        A system has no units, ones that are deduplicated without durations, or other utterances than the first
        system; an utterance has no unit, a unit outside the codebook or is not in `data`; or units do not last as
        long as their recordings.
    """
    (first, of_first), *_ = systems.items()
    for name, units in systems.items():
        _check_units(name, units)
        differing = set(units) ^ set(of_first)
        if differing:
            raise DataError(
                f"{name}: other utterances than {first} has, such as {min(differing)} ({len(differing)} differ); "
                "make the units of all systems from the same data"
            )
    unknown = set(of_first) - {utterance.utt_id for utterance in data}
    if unknown:
        raise DataError(
            f"{first}: {min(unknown)} is not in the data directory ({len(unknown)} of {len(of_first)} utterances); "
            "give the one from which the units were made"
        )
    used = data.subset(of_first)
    seconds = {utterance.utt_id: utterance.seconds() for utterance in used}
    for name, units in systems.items():
        _check_lengths(name, units, seconds)
    return used, seconds


def _check_units(name: str, units: UnitSet) -> None:
    if not len(units):
        raise DataError(f"{name}: no units; make them again with `sqspeech units`")
    if units.info.deduplicated:
        raise DataError(
            f"{name}: deduplicated units without their durations, and every metric needs one unit a step; "
            "write them with --durations, or without --dedup"
        )
    for utterance in units:
        codes = units[utterance].codes
        if not len(codes):
            raise DataError(f"{name}: {utterance} has no unit; leave the utterance out")
        if not 0 <= codes.min() <= codes.max() < units.info.codebook_size:
            raise DataError(
                f"{name}: {utterance} has units from {codes.min()} to {codes.max()} of a codebook of "
                f"{units.info.codebook_size}; the files are damaged, make them again"
            )


def _check_lengths(name: str, units: UnitSet, seconds: Mapping[str, float]) -> None:
    for utterance in units:
        lasting = units.info.offset + len(units[utterance]) / units.info.frame_rate
        if abs(lasting - seconds[utterance]) * units.info.frame_rate > EDGE_STEPS:
            raise DataError(
                f"{name}: the units of {utterance} last {lasting:.2f} s and its recording {seconds[utterance]:.2f} s; "
                "is this the data directory from which they were made?"
            )


def check_item(item: ItemFile, seconds: Mapping[str, float], slack: float) -> None:
    """Check that the phones of an item file lie within utterances that have units.

    Parameters
    ----------
    item
        The phones.
    seconds
        The duration of each utterance that has units.
    slack
        The seconds by which a phone may end too late: a step.

    Raises
    ------
    DataError
        The item file names a file without units, or a phone ends after its file.
    """
    files = {phone.file for phone in item.phones}
    missing = files - set(seconds)
    if missing:
        raise DataError(
            f"{item.path}: no units of {min(missing)} ({len(missing)} of {len(files)} files lack them); make units of "
            "all files that the item file names, or leave their lines out"
        )
    for number, phone in enumerate(item.phones, start=2):
        if phone.offset > seconds[phone.file] + slack:
            raise DataError(
                f"{item.path}:{number}: a phone ends at {phone.offset} s, but {phone.file} at "
                f"{seconds[phone.file]:.2f} s; are the times in seconds, and is it the item file of this data?"
            )


def check_speakers(item: ItemFile, data: DataDir) -> None:
    """Check that the speakers of an item file are some of the data's; raises DataError otherwise."""
    unknown = {phone.labels[-1] for phone in item.phones} - set(data.speakers)
    if unknown:
        raise DataError(
            f"{item.path}: {min(unknown)} is no speaker of the data directory ({len(unknown)} are not); a difference "
            "with an interval needs the same names in both: write those of utt2spk into the item file"
        )


def check_alignment(path: Path, alignments: Mapping[str, Alignment], utterances: Collection[str]) -> None:
    """Check that the alignment of a file has one of the utterances; raises DataError otherwise."""
    if alignments.keys().isdisjoint(utterances):
        raise DataError(
            f"{path}: none of the {len(utterances)} utterances is aligned; it names {min(alignments)}, "
            f"the units {min(utterances)}: is it the alignment of this data?"
        )


def check_priors(priors: Sequence[Prior], systems: Mapping[str, UnitSet]) -> None:
    """Check that each prior is of the units of some system; raises DataError otherwise."""
    known = {units.info.origin: name for name, units in systems.items()}
    for prior in priors:
        if prior.info.origin not in known:
            raise DataError(
                f"the prior {prior.digest} is of units of the checkpoint {prior.info.origin}, and those of "
                f"{', '.join(known.values())} are of {', '.join(known)}; give the prior of one of them"
            )
