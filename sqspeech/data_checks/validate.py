"""Everything that is wrong with a data directory or a dump."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqspeech.corpus import Processes, Workers
from sqspeech.data.data_dir import Utterance, genders_of
from sqspeech.data.directory_rules import DirectoryTables
from sqspeech.data.findings import Finding, Severity, Treatment
from sqspeech.data_checks import dump, matrices, recordings, sounds
from sqspeech.data_checks.consistency import check_tables, usable_utterances
from sqspeech.data_checks.dump import Features
from sqspeech.data_checks.matrices import Matrix, UtteranceFeatures
from sqspeech.data_checks.recordings import Sound
from sqspeech.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Report:
    """Findings in the data directory or dump `path`, and the part of it that can be used.

    Attributes
    ----------
    findings
        In the order of the checks.
    utterances
        Those that nothing makes unusable, sorted by id.
    spk2gender
        The gender of the speakers where it is known.
    features
        Where the features of the usable utterances are; empty for a data directory.
    seconds
        How long the usable utterances last.
    """

    path: Path
    findings: tuple[Finding, ...]
    utterances: tuple[Utterance, ...]
    spk2gender: dict[str, str]
    features: tuple[UtteranceFeatures, ...]
    seconds: float

    def failed(self, *, strict: bool) -> bool:
        """Return whether there is an error, or with `strict` a warning."""
        failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
        return any(finding.severity in failing for finding in self.findings)

    def text(self) -> str:
        """Return one line: how much is usable."""
        faults = sum(finding.severity is not Severity.NOTE for finding in self.findings)
        found = f"{faults} findings" if faults else "nothing wrong"
        speakers = len({utterance.spk_id for utterance in self.utterances})
        return (
            f"{self.path}: {found}; {len(self.utterances)} usable utterances, {self.seconds / 3600:.2f} hours, "
            f"{speakers} speakers"
        )


def validate(path: Path, *, workers: Workers = Processes()) -> Report:  # noqa: B008 (frozen)
    """Examine a data directory and its audio, or a dump and its features, with these workers.

    Raises
    ------
    DataError
        There is no such folder.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; name a Kaldi data directory or a dump")
    if dump.is_begun(path):
        return _report(path, dump.check_state(path)[1], [], {}, seconds=0.0)
    tables = DirectoryTables.scan(path)
    findings = list(check_tables(tables))
    examine = _examine_dump if dump.is_dump(path) else _examine_audio
    return examine(tables, findings, workers)


def _examine_audio(tables: DirectoryTables, findings: list[Finding], workers: Workers) -> Report:
    measured = recordings.measure(usable_utterances(tables), workers)
    sounds_read = [one for one in measured if isinstance(one, Sound)]
    of_audio = [one for one in measured if isinstance(one, Finding)]
    of_audio += sounds.check_sounds(sounds_read)
    bad = _left_out(of_audio)
    good = [sound for sound in sounds_read if sound.utterance.utt_id not in bad]
    seconds = sum(sound.n_samples / sound.sample_rate for sound in good)
    usable = [sounds.clipped_to_file(sound) for sound in good]
    return _report(tables.path, [*findings, *of_audio], usable, genders_of(tables), seconds=seconds)


def _examine_dump(tables: DirectoryTables, findings: list[Finding], workers: Workers) -> Report:
    path = tables.path
    config, of_state = dump.check_state(path)
    known = usable_utterances(tables)
    entries, of_locations = dump.read_locations(path, known, tables.utt2spk.keys)
    frames, of_frames = dump.read_frames(path)
    measured = matrices.measure(entries, workers)
    read = [one for one in measured if isinstance(one, Matrix)]
    of_features = [one for one in measured if isinstance(one, Finding)]
    of_features += dump.check_versions(path, known)
    of_features += dump.check_features(Features(matrices=read, config=config, frames=frames))
    bad = _left_out(of_features)
    good = [matrix for matrix in read if matrix.entry.utterance.utt_id not in bad]
    n_frames = sum(matrix.n_frames for matrix in good)
    return _report(
        path,
        [*of_state, *findings, *of_locations, *of_frames, *of_features, *dump.read_remarks(path)],
        [matrix.entry.utterance for matrix in good],
        genders_of(tables),
        features=[matrix.entry for matrix in good],
        seconds=n_frames * config.hop_length / config.sample_rate if config else 0.0,
    )


def _left_out(findings: Sequence[Finding]) -> set[str]:
    return {finding.where for finding in findings if finding.treatment is Treatment.LEFT_OUT}


def _report(
    path: Path,
    findings: Sequence[Finding],
    usable: Sequence[Utterance],
    spk2gender: dict[str, str],
    *,
    features: Sequence[UtteranceFeatures] = (),
    seconds: float,
) -> Report:
    speakers = {utterance.spk_id for utterance in usable}
    return Report(
        path=path,
        findings=tuple(findings),
        utterances=tuple(usable),
        spk2gender={spk_id: sex for spk_id, sex in spk2gender.items() if spk_id in speakers},
        features=tuple(features),
        seconds=seconds,
    )
