"""Record of what a preparation kept and left out: the data directories, and a report as text and as TSV."""

import shutil
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from sqspeech.atomic import write_text
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError, SqspeechError
from sqspeech.names import shown


@dataclass(frozen=True)
class Skip:
    """A recording that was left out. `reason` is one of few, so that it can be counted; `detail` says more."""

    name: str
    spk_id: str
    reason: str
    detail: str = ""


@dataclass
class Inventory:
    """The sets of a prepared corpus by name, what was left out, and remarks that need no action.

    `seconds` is the duration of each utterance that is in a set; `heading` says how the corpus was understood.
    """

    sets: dict[str, DataDir] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    skipped: list[Skip] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    heading: list[str] = field(default_factory=list)

    def skip(self, name: str, spk_id: str, reason: str, detail: str = "") -> None:
        """Note a recording that is left out; a name may have characters that a line of a report cannot hold."""
        self.skipped.append(Skip(*map(shown, (name, spk_id, reason, detail))))

    def write(self, data_dir: Path, names: Collection[str]) -> None:
        """Write each set to `data_dir`/<name>, and report.txt, report.tsv and skipped.tsv.

        A set that an earlier run wrote and this one has not, of `names`, is removed.

        Raises
        ------
        DataError
            No set has an utterance.
        SqspeechError
            `data_dir` cannot be written.
        """
        if not any(map(len, self.sets.values())):
            raise DataError(f"{data_dir}: no usable recording, so nothing was written{self._first_skip()}")
        for name in names:
            part = self.sets.get(name)
            if part:
                part.write(data_dir / name)
            else:
                _remove(data_dir / name)
        write_text(data_dir / "report.txt", self.text())
        write_text(data_dir / "report.tsv", self._table())
        rows = [f"{s.name}\t{s.spk_id}\t{s.reason}\t{s.detail}" for s in self.skipped]
        write_text(data_dir / "skipped.tsv", "\n".join(["name\tspeaker\treason\tdetail", *rows]) + "\n")

    def refuse_skips(self, data_dir: Path) -> None:
        """Raise a DataError, for `--strict`, if a recording was left out."""
        if self.skipped:
            listed = data_dir / "skipped.tsv"
            raise DataError(f"{len(self.skipped)} left out (see {listed}), which --strict forbids")

    def text(self) -> str:
        """Return the report in words: the heading, the sets, then what was left out by reason, then the remarks."""
        lines = [
            f"{name}: {len(part)} utterances, {len(part.speakers)} speakers, {self._hours(part):.2f} hours"
            for name, part in self.sets.items()
        ]
        reasons = Counter(skip.reason for skip in self.skipped)
        for reason, count in reasons.most_common():
            speakers = Counter(s.spk_id for s in self.skipped if s.reason == reason)
            most = ", ".join(f"{spk_id} {n}" for spk_id, n in speakers.most_common(3))
            lines.append(f"left out, {reason}: {count} ({most}{', ...' if len(speakers) > 3 else ''})")
        return "\n".join([*self.heading, *lines, *self.remarks]) + "\n"

    def _first_skip(self) -> str:
        if not self.skipped:
            return ""
        first = self.skipped[0]
        return (
            f"; the first of {len(self.skipped)}, {first.name}: {': '.join(filter(None, (first.reason, first.detail)))}"
        )

    def _hours(self, part: DataDir) -> float:
        return sum(self.seconds[utterance.utt_id] for utterance in part) / 3600

    def _table(self) -> str:
        kept = {name: Counter(u.spk_id for u in part) for name, part in self.sets.items()}
        left_out: dict[str, Counter[str]] = {}
        for skip in self.skipped:
            left_out.setdefault(skip.reason, Counter())[skip.spk_id] += 1
        genders = {spk: sex for part in self.sets.values() for spk, sex in part.spk2gender.items()}
        columns = {**kept, **left_out}
        speakers = sorted({spk_id for column in columns.values() for spk_id in column})
        rows = [["speaker", "gender", *columns]]
        rows += [[spk, genders.get(spk, ""), *(str(column[spk]) for column in columns.values())] for spk in speakers]
        return "".join("\t".join(row) + "\n" for row in rows)


def _remove(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise SqspeechError(
            f"{folder}: cannot remove an earlier run's set ({error.strerror or error}); remove it yourself"
        ) from error
