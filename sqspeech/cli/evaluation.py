"""Commands for evaluation."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sqspeech.cli.named_paths import by_set, by_system
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
from sqspeech.errors import SqspeechError


def evaluate(
    checkpoint: Checkpoint,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
    item: Annotated[Path | None, typer.Option(help="A ZeroSpeech item file: adds ABX.")] = None,
    parallel: Annotated[
        bool, typer.Option("--parallel", help="Compare conversions with recordings of the same text by the target.")
    ] = False,
    invariance: Annotated[
        bool, typer.Option("--invariance", help="Compare with the units at another pitch or tempo, and with noise.")
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
    versa: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Writes what the judges give each utterance, in VERSA's JSONL."),
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
    if not judges and (recogniser or where_lost or judgements or versa):
        raise SqspeechError(
            "--recogniser, --where-lost, --judgements and --versa are for judges; give --judge words or others"
        )
    train = DataDir.read(train_data) if train_data else None
    options = JudgeOptions(
        judges=judges, recogniser=recogniser, cache=judgements, where_lost=where_lost, train=train, versa=versa
    )
    with open_workers(jobs, cluster) as workers:
        metrics, failures = measure(
            trained,
            DataDir.read(data),
            item=item,
            parallel=parallel,
            invariance=invariance,
            conversion=(conversion, train) if conversion and train else None,
            judges=options if judges else None,
            vocoder=vocoder,
            workers=workers,
        )
    write_text(output, json.dumps(metrics, indent=2) + "\n")
    failures.check(metrics["utterances"], strict=strict)
    if judges:
        print(speech_tables(metrics))
    print(f"{output}: {metrics['utterances']} utterances, {metrics['seconds']:.0f} s")


def compare_vocoders(
    checkpoint: Checkpoint,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write.")],
    count: Annotated[int, typer.Option(min=1, help="How many recordings, spread over the data.")] = 3,
    judges: Annotated[
        list[str],
        typer.Option(
            "--judge",
            metavar="NAME",
            help="words, quality, speaker, aligned or all, repeatable: adds their values.",
        ),
    ] = [],  # noqa: B006
    judgements: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keeps what was judged, for further runs.")
    ] = None,
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Make copies and conversions of a few recordings with every vocoder, for the report to show side by side."""
    import torch

    from sqspeech.checkpoint import TrainedModel
    from sqspeech.data.data_dir import DataDir
    from sqspeech.evaluation.speech.vocoders import compare_vocoders as compare

    found = find_device(device)
    torch.set_num_threads(1)  # as `convert`, so that its results are these
    trained = TrainedModel.load(checkpoint, found)
    written, failures = compare(trained, DataDir.read(data), output, count=count, judges=judges, cache=judgements)
    failures.check(written, strict=strict)
    print(f"{output}: {written} recordings by {', '.join(trained.vocoders)}, listed in {output / 'manifest.tsv'}")


def evaluate_units(
    units: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]UNITS...",
            help="Folders that `sqspeech units` wrote; those of the same NAME are seeds of one system.",
        ),
    ],
    data: Annotated[
        list[str],
        typer.Option(
            "--data",
            metavar="[SET=]DATA",
            help="The data directory from which they were made. Repeatable as SET=DATA, with the units in UNITS/SET.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
    item: Annotated[list[str], typer.Option(metavar="[SET=]ITEM", help="A ZeroSpeech item file: adds ABX.")] = [],  # noqa: B006 (typer reads it)
    alignment: Annotated[
        list[str], typer.Option(metavar="[SET=]CTM", help="Phones and their times: adds purities and PNMI.")
    ] = [],  # noqa: B006
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A system, mfcc or log_mel: adds the differences of ABX to it, with 95 % intervals over speakers.",
        ),
    ] = None,
    priors: Annotated[
        list[Path],
        typer.Option("--prior", metavar="PRIOR", help="Of a system's units, repeatable: adds their bitrate."),
    ] = [],  # noqa: B006
    pictures: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Draws trade.png, and with CTM phones-UNITS.png (in FOLDER/SET)."),
    ] = None,
) -> None:
    """Measure units, with MFCC as a baseline: ABX, bitrates, purities and speaker leakage."""
    from sqspeech.atomic import write_text
    from sqspeech.data.data_dir import DataDir
    from sqspeech.evaluation.units.evaluate import evaluate_units as measure
    from sqspeech.evaluation.units.table import table_of_sets, unit_table
    from sqspeech.evaluation.units.trade_picture import draw_trade
    from sqspeech.priors.trained import Prior
    from sqspeech.units import read

    folders, seeds = by_system(units)
    data_of = by_set("--data", data)
    item_of, alignment_of = (
        by_set(option, paths, list(data_of)) for option, paths in (("--item", item), ("--alignment", alignment))
    )
    of_units = [Prior.load(path) for path in priors]
    evaluations = {
        name: measure(
            {system: read(folder / name) for system, folder in folders.items()},
            DataDir.read(path),
            item=item_of.get(name),
            alignment=alignment_of.get(name),
            priors=of_units,
            seeds=seeds,
            against=against,
        )
        for name, path in data_of.items()
    }
    sets = {name: evaluation.metrics for name, evaluation in evaluations.items()}
    write_text(output, json.dumps(sets.get("", {"sets": sets}), indent=2) + "\n")
    if pictures:
        draw_trade(pictures / "trade.png", sets)
        for name, evaluation in evaluations.items():
            evaluation.draw(pictures / name)
    print(unit_table(sets[""]) if "" in sets else table_of_sets(sets))
    utterances, seconds = (sum(metrics[key] for metrics in sets.values()) for key in ("utterances", "seconds"))
    print(f"{output}: {utterances} utterances, {seconds:.0f} s")


def word_curve(
    metrics: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]METRICS...",
            help="Of `sqspeech evaluate --judge words`; those of the same NAME are seeds or --stages of one system.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The PNG file to write.")],
) -> None:
    """Draw word error over bits a second, of several models and seeds, and print the table."""
    from sqspeech.evaluation.speech.word_curve import draw_word_curve, read_points, word_table

    files, systems = by_system(metrics)
    points = {name: [p for short in shorts for p in read_points(files[short])] for name, shorts in systems.items()}
    draw_word_curve(output, points)
    print(word_table(points))
