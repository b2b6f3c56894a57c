"""Measurements."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sqspeech.cli.options import Checkpoint, Data, Device, Strict, VocoderChoice, find_device
from sqspeech.errors import SqspeechError


def evaluate(
    checkpoint: Checkpoint,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
    item: Annotated[Path | None, typer.Option(help="A ZeroSpeech item file: adds ABX.")] = None,
    parallel: Annotated[bool, typer.Option("--parallel", help="Measure conversion against parallel texts.")] = False,
    conversion: Annotated[
        Path | None,
        typer.Option(metavar="PAIRS", help="Lines of `utterance speaker target`: measure conversion in full."),
    ] = None,
    train_data: Annotated[
        Path | None,
        typer.Option("--train", metavar="DATA", help="With --conversion: natural speech of the voices."),
    ] = None,
    vocoder: Annotated[VocoderChoice, typer.Option(help="What makes the waveform.")] = VocoderChoice.world,
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Measure reconstruction, codebook, bitrate, ABX and conversion."""
    from sqspeech.atomic import write_text
    from sqspeech.checkpoint import TrainedModel
    from sqspeech.data.data_dir import DataDir
    from sqspeech.evaluation.evaluate import evaluate as measure

    trained = TrainedModel.load(checkpoint, find_device(device))
    if (conversion is None) != (train_data is None):
        raise SqspeechError("--conversion PAIRS and --train DATA: one needs the other")
    of_voices = (conversion, DataDir.read(train_data)) if conversion and train_data else None
    metrics, failures = measure(
        trained, DataDir.read(data), item=item, parallel=parallel, conversion=of_voices, vocoder=vocoder.value
    )
    write_text(output, json.dumps(metrics, indent=2) + "\n")
    failures.check(metrics["utterances"], strict=strict)
    print(f"{output}: {metrics['utterances']} utterances, {metrics['seconds']:.0f} s")
