"""Checks of a dump: its features are whole, and those of its data directory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqspeech.data.data_dir import Utterance
from sqspeech.data.feature_extraction import NOTES_NAME, SKIPPED_NAME, VERSIONS_NAME
from sqspeech.data.feature_locations import AGAIN, scan_locations
from sqspeech.data.feature_store import STATE_NAME, band_fault, read_state
from sqspeech.data.findings import Finding, Treatment, error, note, warning
from sqspeech.data.tables import Table, scan_table
from sqspeech.data_checks.matrices import Matrix, UtteranceFeatures
from sqspeech.data_checks.sounds import repeated, resampled_length
from sqspeech.errors import DataError
from sqspeech.features import LogMelConfig

UNFINISHED = ".unfinished"
# The span of a log-mel is 1 but for the rounding of float32.
MAX_SPAN = 1 + 1e-4


@dataclass(frozen=True, kw_only=True)
class Features:
    """The features of a dump: the matrices that can be read, sorted by id, and what they should be like.

    `config` is None where features.json cannot be read.
    """

    matrices: Sequence[Matrix]
    config: LogMelConfig | None
    frames: Table


def is_dump(path: Path) -> bool:
    """Return whether the folder is a dump, finished or not."""
    return any((path / name).exists() for name in ("feats.scp", STATE_NAME, UNFINISHED))


def is_begun(path: Path) -> bool:
    """Return whether the folder is a dump that was begun and has no finished features."""
    return (path / UNFINISHED).exists() and not (path / STATE_NAME).exists()


def check_state(path: Path) -> tuple[LogMelConfig | None, list[Finding]]:
    """Return what the features of a dump were made with, and what is wrong about that."""
    findings = []
    if is_begun(path):
        fix = "run `sqspeech features` again, which continues where it stopped"
        return None, [error("unfinished features", str(path), f"{UNFINISHED} is there, {STATE_NAME} is not", fix)]
    if (path / UNFINISHED).exists():
        fix = "run `sqspeech features` again, or remove .unfinished"
        findings.append(warning("features that were begun again", str(path), f"{UNFINISHED} is there", fix))
    try:
        return read_state(path).config, findings
    except DataError as fault:
        return None, [*findings, error(f"{STATE_NAME} missing or damaged", str(path), str(fault), AGAIN)]


def read_locations(
    path: Path, utterances: Sequence[Utterance], known: frozenset[str]
) -> tuple[list[UtteranceFeatures], list[Finding]]:
    """Return the places of the features of the utterances, and what is wrong with feats.scp.

    `known` are the ids of utt2spk, those of unusable lines too.
    """
    locations, findings = scan_locations(path, known)
    places = ((utterance, locations.get(utterance.utt_id)) for utterance in utterances)
    found = [UtteranceFeatures(utterance=utterance, ark=at[0], offset=at[1]) for utterance, at in places if at]
    return found, findings


def check_features(features: Features) -> Iterator[Finding]:
    """Yield what is wrong with the matrices."""
    for check in CHECKS:
        yield from check(features)


def read_frames(path: Path) -> tuple[Table, list[Finding]]:
    """Return utt2num_frames, and what is wrong with it."""
    frames = scan_table(path / "utt2num_frames", 1, optional=True)
    if frames.present:
        return frames, frames.findings
    fix = "count the frames again"
    return frames, [warning("missing utt2num_frames", frames.name, "Kaldi needs it", fix, Treatment.CORRECTED)]


def check_versions(path: Path, utterances: Sequence[Utterance]) -> Iterator[Finding]:
    """Yield the utterances whose recordings have changed since their features were computed."""
    table = scan_table(path / VERSIONS_NAME, 2, optional=True)
    yield from table.findings
    for utterance in utterances:
        stated, now = table.rows.get(utterance.utt_id, ""), utterance.version()
        if stated and now and stated != now:
            detail = f"{utterance.path} had another size or time of change"
            fix = "run `sqspeech features` again, which computes what has changed"
            yield error("features of a recording that has changed since", utterance.utt_id, detail, fix)


def read_remarks(path: Path) -> Iterator[Finding]:
    """Yield what feature extraction noted of utterances that it skipped or corrected."""
    kinds = {SKIPPED_NAME: "utterances that features skipped", NOTES_NAME: "utterances that features corrected"}
    for name, kind in kinds.items():
        table = scan_table(path / name, optional=True)
        yield from table.findings
        for utt_id, reason in table.utf8_rows.items():
            yield note(kind, utt_id, reason, "correct the audio where it matters")


def _id(matrix: Matrix) -> str:
    return matrix.entry.utterance.utt_id


def _size(features: Features) -> Iterator[Finding]:
    for matrix in features.matrices:
        if features.config and (fault := band_fault(matrix.n_mels, features.config)):
            yield error("features of another number of bands", _id(matrix), f"has {fault}", AGAIN)


def _values(features: Features) -> Iterator[Finding]:
    for matrix in features.matrices:
        detail = f"from {matrix.low:g} to {matrix.high:g}"
        if not matrix.finite:
            yield error("features with NaN or infinity", _id(matrix), "not all values are finite", AGAIN)
        elif matrix.low == matrix.high:
            yield error("features that are constant", _id(matrix), detail, "the audio is silent: leave it out")
        elif matrix.high - matrix.low > MAX_SPAN:
            yield error("features with a span above 1", _id(matrix), detail, AGAIN)


def _frames(features: Features) -> Iterator[Finding]:
    if not features.frames.present:
        return
    ids = {_id(matrix) for matrix in features.matrices}
    for utt_id in sorted(features.frames.rows.keys() - ids):
        fix = "remove it from utt2num_frames"
        yield warning("utt2num_frames of what has no features", utt_id, "no features", fix, Treatment.CORRECTED)
    for matrix in features.matrices:
        stated = features.frames.rows.get(_id(matrix), "none")
        if stated != str(matrix.n_frames):
            detail = f"{stated} stated, {matrix.n_frames} there"
            kind, fix = "utt2num_frames that disagrees with the features", "count the frames again"
            yield error(kind, _id(matrix), detail, fix, Treatment.CORRECTED)


def _duration(features: Features) -> Iterator[Finding]:
    for matrix in features.matrices:
        if not features.config or matrix.n_samples is None or matrix.sample_rate is None:
            continue
        length = resampled_length(matrix.n_samples, matrix.sample_rate, features.config.sample_rate)
        expected = 1 + length // features.config.hop_length
        if matrix.n_frames != expected:
            detail = f"{matrix.n_frames} frames, but the audio gives {expected}"
            yield error("features of another duration than the audio", _id(matrix), detail, AGAIN)


def _duplicates(features: Features) -> Iterator[Finding]:
    digests = ((_id(matrix), matrix.digest) for matrix in features.matrices if matrix.low < matrix.high)
    for utt_id, other in repeated(digests):
        fix = "keep the one whose id is right"
        yield warning("the same features as another utterance", utt_id, f"those of {other}", fix, Treatment.LEFT_OUT)


# To check something else, add a function here.
CHECKS: tuple[Callable[[Features], Iterator[Finding]], ...] = (_size, _values, _frames, _duration, _duplicates)
