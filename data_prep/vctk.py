"""VCTK, release 0.80 or 0.92, to Kaldi data directories.

`python -m data_prep.vctk CORPUS DATA_DIR`: an utterance is `<speaker>_<number>` in both releases and with either
microphone, so that all of them are split alike. The recordings stay where they are.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from data_prep import held_out, silence
from data_prep.command import run
from data_prep.held_out import Shares
from data_prep.inventory import Inventory
from data_prep.vctk_corpus import Corpus, find_corpus, list_recordings, read_texts
from data_prep.vctk_speakers import read_genders
from sqspeech import audio
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import DataError
from sqspeech.progress import track

SETS = ("train", "dev", "test", "unseen")
# Sentences 1 to 24, the elicitation paragraph and the rainbow passage, are the same for all speakers.
LAST_PROMPT = 24


class Microphone(StrEnum):
    """Which of 0.92's recordings of an utterance to take; `AUTO` is the first one that there is."""

    AUTO = "auto"
    ONE = "1"
    TWO = "2"


class HoldOut(StrEnum):
    """Choices of dev and test: utterances by their hash, or for test the sentences that all speakers read."""

    UTTERANCES = "utterances"
    PROMPTS = "prompts"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the preparation; `jobs` is the number of processes that trim."""

    mic: Microphone = Microphone.AUTO
    trim_silence: bool = False
    jobs: int = 1
    hold_out: HoldOut = HoldOut.UTTERANCES
    shares: Shares = field(default_factory=Shares)
    unseen_speakers: int = 0


def prepare(corpus: Corpus, data_dir: Path, options: Options) -> Inventory:
    """Write `data_dir`/{train,dev,test,unseen} and the reports; what an earlier run left is replaced.

    Raises
    ------
    DataError
        An option does not fit the corpus, or no recording can be used.
    SqspeechError
        `data_dir` cannot be written.
    """
    _check(corpus, options)
    inventory = Inventory()
    recordings = list_recordings(corpus, inventory)
    texts = read_texts(corpus)
    chosen = _choose(recordings, options.mic, inventory)
    utterances = _probe(chosen, texts, inventory)
    if options.trim_silence:
        utterances = _trim(utterances, options.jobs, inventory)
    _remark_on_texts(texts, recordings, utterances, inventory)
    corpus_dir = DataDir(tuple(utterances), _genders(corpus, utterances, inventory))
    names = _assign(utterances, options)
    sets = corpus_dir.split(lambda utterance: names[utterance.utt_id])
    inventory.sets = {name: sets[name] for name in SETS if name in sets}
    inventory.write(data_dir, SETS)
    return inventory


def _check(corpus: Corpus, options: Options) -> None:
    version = corpus.release.version
    if version == "0.80" and options.mic != Microphone.AUTO:
        raise DataError(f"{corpus.path}: VCTK 0.80 has one microphone; leave out --mic {options.mic}")
    if version == "0.92" and options.trim_silence:
        raise DataError(f"{corpus.path}: the silence of VCTK 0.92 is trimmed already; leave out --trim-silence")


def _choose(recordings: Mapping[str, dict[str, Path]], mic: Microphone, inventory: Inventory) -> dict[str, Path]:
    """Return the file to use of each utterance."""
    if mic == Microphone.AUTO:
        second = [utt_id for utt_id, by_mic in recordings.items() if "1" not in by_mic]
        if second:
            inventory.remarks.append(f"without microphone 1, so from microphone 2: {_by_speaker(second)}")
        return {utt_id: by_mic[min(by_mic)] for utt_id, by_mic in recordings.items()}
    for utt_id, by_mic in recordings.items():
        if mic not in by_mic:
            inventory.skip(utt_id, _speaker(utt_id), f"no mic{mic} recording", str(next(iter(by_mic.values()))))
    return {utt_id: by_mic[mic] for utt_id, by_mic in recordings.items() if mic in by_mic}


def _probe(chosen: Mapping[str, Path], texts: Mapping[str, str], inventory: Inventory) -> list[Utterance]:
    utterances = []
    for utt_id, path in track(chosen.items(), "read headers", len(chosen)):
        try:
            inventory.seconds[utt_id] = audio.probe(path).seconds
        except DataError as error:
            inventory.skip(utt_id, _speaker(utt_id), "unreadable header", str(error))
            continue
        utterances.append(Utterance(utt_id=utt_id, spk_id=_speaker(utt_id), path=path, text=texts.get(utt_id)))
    return utterances


def _trim(utterances: Collection[Utterance], jobs: int, inventory: Inventory) -> list[Utterance]:
    trimmed = []
    spans = silence.spans([utterance.path for utterance in utterances], jobs)
    for utterance, span in zip(utterances, track(spans, "find silence", len(utterances)), strict=True):
        if isinstance(span, DataError):
            reason = "all silence" if isinstance(span, silence.SilentError) else "cannot be decoded"
            inventory.skip(utterance.utt_id, utterance.spk_id, reason, str(span))
            del inventory.seconds[utterance.utt_id]
        else:
            trimmed.append(replace(utterance, rec_id=utterance.utt_id, start=span.start, end=span.end))
            inventory.seconds[utterance.utt_id] = span.end - span.start
    return trimmed


def _remark_on_texts(
    texts: Mapping[str, str], recordings: Collection[str], utterances: Collection[Utterance], inventory: Inventory
) -> None:
    unspoken = sorted(texts.keys() - set(recordings))
    if unspoken:
        inventory.remarks.append(f"texts without a recording: {_by_speaker(unspoken)}")
    without_text = [utterance.utt_id for utterance in utterances if utterance.text is None]
    if without_text:
        inventory.remarks.append(f"utterances without a text: {_by_speaker(without_text)}")


def _genders(corpus: Corpus, utterances: Collection[Utterance], inventory: Inventory) -> dict[str, str]:
    speakers = {utterance.spk_id for utterance in utterances}
    path = corpus.path / "speaker-info.txt"
    if not path.is_file():
        inventory.remarks.append(f"no {path.name} in {corpus.path}, so no speaker's gender is known")
        return {}
    genders = read_genders(path)
    unknown = sorted(speakers - genders.keys())
    if unknown:
        inventory.remarks.append(f"speakers without a gender in {path.name}: {', '.join(unknown)}")
    return {spk_id: genders[spk_id] for spk_id in sorted(speakers & genders.keys())}


def _assign(utterances: Collection[Utterance], options: Options) -> dict[str, str]:
    """Return the set of each utterance."""
    by_speaker: dict[str, list[str]] = {}
    for utterance in utterances:
        by_speaker.setdefault(utterance.spk_id, []).append(utterance.utt_id)
    if by_speaker and options.unseen_speakers >= len(by_speaker):
        raise DataError(
            f"--unseen-speakers {options.unseen_speakers} leaves none of the {len(by_speaker)} speakers for training; "
            f"use at most {len(by_speaker) - 1}"
        )
    unseen = sorted(by_speaker, key=held_out.position)[: options.unseen_speakers]
    names: dict[str, str] = {}
    for spk_id, utt_ids in by_speaker.items():
        if spk_id in unseen:
            names.update(dict.fromkeys(utt_ids, "unseen"))
        elif options.hold_out == HoldOut.PROMPTS:
            names.update(_assign_prompts(utt_ids, options.shares.dev))
        else:
            names.update(held_out.assign(utt_ids, options.shares))
    return names


def _assign_prompts(utt_ids: Collection[str], dev_share: float) -> dict[str, str]:
    others = [utt_id for utt_id in utt_ids if int(utt_id.rpartition("_")[2]) > LAST_PROMPT]
    if not others:
        return dict.fromkeys(utt_ids, "train")
    return dict.fromkeys(utt_ids, "test") | held_out.assign(others, Shares(dev=dev_share, test=0.0))


def _speaker(utt_id: str) -> str:
    return utt_id.partition("_")[0]


def _by_speaker(utt_ids: Collection[str]) -> str:
    counts = Counter(map(_speaker, utt_ids)).most_common()
    speakers = ", ".join(f"{spk_id} {count}" for spk_id, count in counts[:5])
    return f"{len(utt_ids)} ({speakers}{', ...' if len(counts) > 5 else ''})"


def main(
    corpus: Annotated[Path, typer.Argument(help="Folder of VCTK 0.80 or 0.92, or one above it, or the archive.")],
    data_dir: Annotated[Path, typer.Argument(help="Folder to write train/, dev/, test/ and the reports into.")],
    mic: Annotated[
        Microphone, typer.Option(help="Microphone of 0.92; auto: 1, and 2 where there is no 1.")
    ] = Microphone.AUTO,
    trim_silence: Annotated[
        bool, typer.Option("--trim-silence", help="Leave out leading and trailing silence (0.80), with `segments`.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that trim.")] = 1,
    hold_out: Annotated[
        HoldOut, typer.Option(help="Hold out utterances by hash, or sentences 1 to 24 of every speaker as test.")
    ] = HoldOut.UTTERANCES,
    dev_share: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Share of each speaker's utterances for dev.")
    ] = 0.05,
    test_share: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="The same for test; unused with --hold-out prompts.")
    ] = 0.05,
    unseen_speakers: Annotated[int, typer.Option(min=0, help="Speakers to put into unseen/ alone.")] = 0,
    extract_to: Annotated[
        Path | None, typer.Option(help="Folder to unpack an archive into; beside it if not given.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail when a recording was left out.")] = False,
) -> None:
    """Prepare VCTK: find the release, split it by hash, and report what was left out."""
    options = Options(
        mic=mic,
        trim_silence=trim_silence,
        jobs=jobs,
        hold_out=hold_out,
        shares=Shares(dev=dev_share, test=test_share),
        unseen_speakers=unseen_speakers,
    )
    inventory = prepare(find_corpus(corpus, extract_to), data_dir, options)
    print(inventory.text(), end="")
    if strict:
        inventory.refuse_skips(data_dir)


if __name__ == "__main__":
    run(main)
