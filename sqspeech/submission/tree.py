"""Paths of a submission's files, and those that the data ask for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import DataError
from sqspeech.names import file_name, shown

YEAR, METADATA, CODE, TEST = "2019", "metadata.yaml", "code", "test"
AUXILIARY = ("auxiliary_embedding1", "auxiliary_embedding2")
# The voices of each language's conversions.
VOICES = {"english": ("V001", "V002"), "surprise": ("V001",)}
LANGUAGES = tuple(VOICES)
# In Hz, of the recordings and so of what is made of them.
SAMPLE_RATE = 16000


@dataclass(frozen=True, kw_only=True)
class Part:
    """Part of a submission for one language.

    Attributes
    ----------
    language
        "english" or "surprise".
    utterances
        Those to find units in, by the names of their files: <utterance>.txt.
    conversions
        The utterance and the voice of each recording to be made, by its name: <voice>_<the utterance's number>.wav.
    """

    language: str
    utterances: Mapping[str, Utterance]
    conversions: Mapping[str, tuple[Utterance, str]]

    def folder(self, submission: Path) -> Path:
        """Return the language's folder."""
        return submission / YEAR / self.language


def plan(data: Path, language: str, synthesis: Path | None = None) -> Part:
    """Return what the prepared data of a language ask for.

    Parameters
    ----------
    data
        The folder that the preparation wrote, with the data directories `test` and `synthesis_<voice>`; where there is
        none of the latter, `conversion` is converted to every voice of the language.
    language
        "english" or "surprise".
    synthesis
        A list of `utterance voice` lines, with a comma or white space between, that stands for `synthesis_<voice>`. An
        utterance may be a path.

    Raises
    ------
    DataError
        The data or the list cannot be read or are malformed, `test` is empty, the list names an utterance that is not
        in it, two recordings would have one name, or a file cannot have the name of an utterance.
    """
    test = DataDir.read(data / TEST)
    if not len(test):
        raise DataError(f"{data / TEST}: no utterance in this data directory; prepare the data again")
    pairs = _listed(synthesis, test) if synthesis else _prepared(data, language)
    conversions: dict[str, tuple[Utterance, str]] = {}
    for utterance, voice in pairs:
        name = wav_name(utterance.utt_id, voice)
        other, _ = conversions.setdefault(name, (utterance, voice))
        if other.utt_id != utterance.utt_id:
            raise DataError(f"{data}: {other.utt_id} and {utterance.utt_id} both give {name}; leave one of them out")
    utterances = {f"{utterance.utt_id}.txt": utterance for utterance in test}
    for name in (*utterances, *conversions):
        if name != file_name(name):
            raise DataError(f"{data}: no file can be named {shown(name)[:80]}; rename that utterance")
    return Part(language=language, utterances=utterances, conversions=conversions)


def wav_name(utt_id: str, voice: str) -> str:
    """Return the name of an utterance's recording in another voice: V002_0379088085.wav of S002_0379088085."""
    speaker, _, number = utt_id.partition("_")
    return f"{voice}_{number or speaker}.wav"


def _prepared(data: Path, language: str) -> Iterator[tuple[Utterance, str]]:
    folders = sorted(data.glob("synthesis_*"))
    if not folders and not (data / "conversion").is_dir():
        raise DataError(
            f"{data}: neither synthesis_<voice> nor conversion there, so that it is unknown what to convert; "
            "prepare the data again or give --synthesis"
        )
    for folder in folders:
        yield from ((utterance, folder.name.removeprefix("synthesis_")) for utterance in DataDir.read(folder))
    if not folders:
        yield from ((utterance, voice) for utterance in DataDir.read(data / "conversion") for voice in VOICES[language])


def _listed(path: Path, test: Iterable[Utterance]) -> Iterator[tuple[Utterance, str]]:
    known = {utterance.utt_id: utterance for utterance in test}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read the list ({error}); check the path") from None
    for number, line in enumerate(lines, 1):
        fields = line.replace(",", " ").split()
        if len(fields) != 2:
            raise DataError(f"{path}:{number}: expected an utterance and a voice, found {line!r}")
        utt_id = fields[0].rpartition("/")[2].removesuffix(".wav")
        if utt_id not in known:
            raise DataError(f"{path}:{number}: {utt_id} is not in the data's test; take the list of this language")
        yield known[utt_id], fields[1]
    if not lines:
        raise DataError(f"{path}: the list is empty; fetch it again")
