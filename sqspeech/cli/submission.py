"""Submissions to ZeroSpeech."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sqspeech.cli.options import Checkpoint, Device, VocoderName, find_device
from sqspeech.errors import SqspeechError

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqspeech.submission import Part


class Language(StrEnum):
    """The languages of the challenge."""

    english = "english"
    surprise = "surprise"


class Distance(StrEnum):
    """Distances with which the challenge measures ABX."""

    dtw_cosine = "dtw_cosine"
    dtw_kl = "dtw_kl"
    levenshtein = "levenshtein"


class Auxiliary(StrEnum):
    """Representations that may be handed in beside the units."""

    vectors = "vectors"
    one_hot = "one_hot"
    posteriors = "posteriors"
    continuous = "continuous"


PREPARED = "What `data_prep.zerospeech2019` wrote for"
Synthesis = Annotated[
    Path | None, typer.Option(metavar="LIST", help="Lines of `utterance voice` instead of DATA/synthesis_<voice>.")
]


def submit(
    checkpoint: Checkpoint,
    data: Annotated[Path, typer.Argument(metavar="DATA", help=f"{PREPARED} the language.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="SUBMISSION", help="The tree to write.")],
    author: Annotated[str, typer.Option(help="For the metadata, as is the next.")],
    affiliation: Annotated[str, typer.Option()],
    language: Annotated[Language, typer.Option()] = Language.english,
    synthesis: Synthesis = None,
    description: Annotated[str, typer.Option(help="Of the system; its sizes are added.")] = "SQ-VAE on log-mel",
    code: Annotated[str, typer.Option(help="Where its source code is, such as an address: it is open source.")] = "",
    distance: Annotated[Distance, typer.Option(help="For ABX.")] = Distance.dtw_cosine,
    one_hot: Annotated[bool, typer.Option("--one-hot/--vectors", help="What a unit is written as.")] = False,
    auxiliary: Annotated[list[Auxiliary], typer.Option(help="Written beside the units; at most twice.")] = [],  # noqa: B006
    parallel_train: Annotated[bool, typer.Option("--parallel-train", help="train/parallel was trained on.")] = False,
    external_data: Annotated[bool, typer.Option("--external-data", help="Other corpora were trained on.")] = False,
    vocoder: VocoderName = None,
    device: Device = "auto",
) -> None:
    """Write a language's part of a ZeroSpeech submission, check the whole and, if it is sound, archive it."""
    from sqspeech.conversion import Converter
    from sqspeech.submission import Metadata, Representation, build, plan, system

    if len(auxiliary) > 2:
        raise SqspeechError(f"--auxiliary: given {len(auxiliary)} times, and a submission holds two; leave some out")
    if distance is Distance.dtw_kl and not one_hot:
        raise SqspeechError("--distance dtw_kl compares distributions, which code vectors are not; add --one-hot")
    part = plan(data, language.value, synthesis)
    converter = Converter.load(checkpoint, find_device(device), vocoder)
    kinds = [Representation[name] for name in ("one_hot" if one_hot else "vectors", *auxiliary)]
    failures = build(converter, part, output, kinds)
    failures.check(len(part.utterances) + len(part.conversions) - len(failures.reasons), strict=False)
    Metadata(
        author=author,
        affiliation=affiliation,
        code=code,
        distance=distance.value,
        description=f"{description}; {system(converter)}",
        auxiliary=[kind.value for kind in kinds[1:]],
        parallel_train=parallel_train,
        external_data=external_data,
    ).write(output)
    _finish(output, [part], archive=True)


def submit_check(
    submission: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="A tree that `sqspeech submit` wrote.")],
    english: Annotated[Path | None, typer.Option(metavar="DATA", help=f"{PREPARED} English.")] = None,
    surprise: Annotated[Path | None, typer.Option(metavar="DATA", help=f"{PREPARED} the other.")] = None,
    synthesis: Synthesis = None,
    archive: Annotated[bool, typer.Option("--archive", help="Write SUBMISSION.zip if nothing is wrong.")] = False,
) -> None:
    """Name everything that is wrong with a ZeroSpeech submission; status 1 if anything is."""
    from sqspeech.submission import plan

    given = {"english": english, "surprise": surprise}
    parts = [plan(data, language, synthesis) for language, data in given.items() if data]
    _finish(submission, parts, archive=archive)


def _finish(submission: Path, parts: "Collection[Part]", *, archive: bool) -> None:
    from sqspeech.submission import archive_path, notes, validate, write_archive

    count = 0
    for violation in validate(submission, parts):
        print(violation)
        count += 1
    if count:
        former = archive_path(submission)
        raise SqspeechError(
            f"{submission}: violations of the challenge's rules: {count} (named above), so no archive was written"
            f"{f' ({former} is of an earlier tree)' if former.exists() else ''}; "
            "correct them, then run `sqspeech submit-check --archive`"
        )
    for note in notes(submission):
        print(f"note: {note}")
    print(f"{write_archive(submission) if archive else submission}: sound")
