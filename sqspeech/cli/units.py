"""Units."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sqspeech.cli.options import Checkpoint, Device, Inputs, Strict, find_device, open_inputs


class UnitFormat(StrEnum):
    """The formats that units are written in."""

    kaldi = "kaldi"
    npz = "npz"


class ModelInput(StrEnum):
    """What an exported model is given."""

    samples = "samples"
    mel = "mel"


def units(
    checkpoint: Checkpoint,
    inputs: Inputs,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    unit_format: Annotated[UnitFormat, typer.Option("--format")] = UnitFormat.kaldi,
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Write the discrete units of recordings."""
    from sqspeech.checkpoint import TrainedModel
    from sqspeech.failures import Failures
    from sqspeech.progress import track
    from sqspeech.units import UnitInfo, extract, write_units

    trained = TrainedModel.load(checkpoint, find_device(device))
    info = UnitInfo.of(trained)
    failures, codes = Failures(), {}
    with open_inputs(inputs) as utterances:
        for utterance in track(utterances, "units", len(utterances)):
            with failures.skipping(utterance.utt_id):
                codes[utterance.utt_id] = extract(trained, utterance.read(trained.config.features.sample_rate))
    failures.check(len(codes), strict=False)
    write_units(output, codes, info, unit_format.value)
    failures.check(len(codes), strict=strict)
    print(f"{output}: {sum(map(len, codes.values()))} units of {len(codes)} utterances")


def export(
    checkpoint: Checkpoint,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.")],
    model_input: Annotated[ModelInput, typer.Option("--input", help="What it is given.")] = ModelInput.samples,
) -> None:
    """Write a model that gives units without torch, as an ONNX file."""
    from sqspeech.checkpoint import TrainedModel
    from sqspeech.units.export import export as write

    write(TrainedModel.load(checkpoint), output, model_input.value)
    print(f"{output}: from {model_input} to codes, vectors and continuous, in ONNX")
