"""Commands for evaluation."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sqspeech.cli.options import (
    Checkpoint,
    Cluster,
    Data,
    Device,
    Jobs,
    Stages,
    Strict,
    VocoderName,
    find_device,
    open_workers,
)
from sqspeech.errors import ConfigError, SqspeechError


def evaluate(
    checkpoint: Checkpoint,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
    item: Annotated[Path | None, typer.Option(help="A ZeroSpeech item file: adds ABX.")] = None,
    parallel: Annotated[
        bool, typer.Option("--parallel", help="Compare conversions with recordings of the same text by the target.")
    ] = False,
    conversion: Annotated[
        Path | None,
        typer.Option(metavar="PAIRS", help="Lines of `utterance speaker target`: adds all metrics of conversion."),
    ] = None,
    train_data: Annotated[
        Path | None,
        typer.Option("--train", metavar="DATA", help="With --conversion or the judge speaker: natural speech."),
    ] = None,
    judges: Annotated[
        list[str],
        typer.Option(
            "--judge", metavar="NAME", help="words, quality, speaker, aligned or all, repeatable: adds their measures."
        ),
    ] = [],  # noqa: B006 (typer reads it)
    recogniser: Annotated[
        str | None,
        typer.Option(metavar="NAME_OR_FOLDER", help="With the judge words: a model of faster-whisper, else tiny.en."),
    ] = None,
    where_lost: Annotated[
        bool, typer.Option("--where-lost", help="With the judge words: where they are lost, from recording to codes.")
    ] = False,
    judgements: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keeps what was judged, for further runs.")
    ] = None,
    vocoder: VocoderName = None,
    stages: Stages = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Measure reconstruction, codebook, bitrate, ABX, conversion and, by judges, speech."""
    from sqspeech.atomic import write_text
    from sqspeech.checkpoint import TrainedModel
    from sqspeech.data.data_dir import DataDir
    from sqspeech.evaluation.evaluate import evaluate as measure
    from sqspeech.evaluation.speech.evaluate import JudgeOptions
    from sqspeech.evaluation.speech.table import speech_tables

    trained = TrainedModel.load(checkpoint, find_device(device, shared=jobs > 1 or cluster is not None), stages)
    if conversion and not train_data:
        raise SqspeechError("--conversion PAIRS needs natural speech of the speakers; give it with --train DATA")
    if train_data and not conversion and not judges:
        raise SqspeechError("--train DATA is for --conversion PAIRS and for --judge speaker; give one of them")
    if not judges and (recogniser or where_lost or judgements):
        raise SqspeechError("--recogniser, --where-lost and --judgements are for judges; give --judge words or others")
    train = DataDir.read(train_data) if train_data else None
    options = JudgeOptions(judges=judges, recogniser=recogniser, cache=judgements, where_lost=where_lost, train=train)
    with open_workers(jobs, cluster) as workers:
        metrics, failures = measure(
            trained,
            DataDir.read(data),
            item=item,
            parallel=parallel,
            conversion=(conversion, train) if conversion and train else None,
            judges=options if judges else None,
            vocoder=vocoder or "world",
            workers=workers,
        )
    write_text(output, json.dumps(metrics, indent=2) + "\n")
    failures.check(metrics["utterances"], strict=strict)
    if judges:
        print(speech_tables(metrics))
    print(f"{output}: {metrics['utterances']} utterances, {metrics['seconds']:.0f} s")


def evaluate_units(
    units: Annotated[list[Path], typer.Argument(metavar="UNITS...", help="Folders that `sqspeech units` wrote.")],
    data: Annotated[Path, typer.Option("--data", metavar="DATA", help="The data directory from which they were made.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
    item: Annotated[Path | None, typer.Option(help="A ZeroSpeech item file: adds ABX.")] = None,
    alignment: Annotated[
        Path | None, typer.Option(metavar="CTM", help="Phones and their times: adds purities and PNMI.")
    ] = None,
    priors: Annotated[
        list[Path],
        typer.Option("--prior", metavar="PRIOR", help="Of a system's units, repeatable: adds their bitrate."),
    ] = [],  # noqa: B006
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draws trade.png, and with CTM phones-SYSTEM.png.")
    ] = None,
) -> None:
    """Measure units, with MFCC as a baseline: ABX, bitrates, purities and speaker leakage."""
    from sqspeech.atomic import write_text
    from sqspeech.data.data_dir import DataDir
    from sqspeech.evaluation.units.evaluate import evaluate_units as measure
    from sqspeech.evaluation.units.table import unit_table
    from sqspeech.priors.trained import Prior
    from sqspeech.units import read

    systems = {name: read(path) for name, path in system_names(units).items()}
    of_units = [Prior.load(path) for path in priors]
    evaluation = measure(systems, DataDir.read(data), item=item, alignment=alignment, priors=of_units)
    write_text(output, json.dumps(evaluation.metrics, indent=2) + "\n")
    if pictures:
        evaluation.draw(pictures)
    print(unit_table(evaluation.metrics))
    print(f"{output}: {evaluation.metrics['utterances']} utterances, {evaluation.metrics['seconds']:.0f} s")


def system_names(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the paths by as few last parts as distinguish them: a/units and b/units for exp/a/units and exp/b/units.

    Raises
    ------
    ConfigError
        A path is given twice.
    """
    resolved = {path.resolve(): path for path in paths}
    if len(resolved) < len(paths):
        raise ConfigError("UNITS: a path is given twice; give each system once")
    parts = [path.parts for path in resolved]
    depth = next(d for d in range(1, 1 + max(map(len, parts))) if len({p[-d:] for p in parts}) == len(parts))
    return {"/".join(path.parts[-depth:]).lstrip("/"): given for path, given in resolved.items()}
