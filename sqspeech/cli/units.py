"""Units."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sqspeech.cli.options import (
    Checkpoint,
    Cluster,
    Device,
    Inputs,
    Jobs,
    ShardText,
    Stages,
    Strict,
    find_device,
    open_inputs,
    open_workers,
)


class Precision(StrEnum):
    """Of the encoder."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class ModelInput(StrEnum):
    """Input of an exported model."""

    samples = "samples"
    mel = "mel"


def units(
    checkpoint: Checkpoint,
    inputs: Inputs,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write; a folder a format in it.")],
    formats: Annotated[
        list[str], typer.Option("--format", metavar="NAME", help="Repeatable; an unknown name lists those there are.")
    ] = ["kaldi"],  # noqa: B006
    dedup: Annotated[bool, typer.Option("--dedup", help="Leave out repetitions.")] = False,
    durations: Annotated[bool, typer.Option("--durations", help="Write how many steps each unit lasts.")] = False,
    vectors: Annotated[bool, typer.Option("--vectors", help="Write the code vector of each step.")] = False,
    soft: Annotated[bool, typer.Option("--soft", help="Write the posterior of each step.")] = False,
    continuous: Annotated[bool, typer.Option("--continuous", help="Write the encoder's output.")] = False,
    smooth: Annotated[
        float, typer.Option(metavar="NATS", min=0, help="The price of a change: longer runs, fewer bits. 4 is usual.")
    ] = 0.0,
    stages: Stages = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    shard: ShardText = None,
    precision: Annotated[Precision, typer.Option(help="Of the encoder.")] = Precision.float32,
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Write the discrete units of recordings; a run that was stopped is continued, and shards are put together."""
    from sqspeech.corpus import Shard
    from sqspeech.failures import Failures
    from sqspeech.units import MATRICES, Contents, extract_corpus

    wanted = zip(MATRICES, (vectors, soft, continuous), strict=True)
    contents = Contents(
        deduplicated=dedup, durations=durations, matrices=tuple(name for name, is_on in wanted if is_on)
    )
    names = list(dict.fromkeys(formats))
    part = Shard.parse(shard) if shard else None
    left_out = Failures()
    with open_inputs(inputs, left_out) as utterances, open_workers(jobs, cluster) as workers:
        counts, failures = extract_corpus(
            checkpoint,
            utterances,
            output,
            names,
            contents,
            workers=workers,
            device=find_device(device, shared=cluster is not None),
            precision=precision.value,
            shard=part,
            stages=stages,
            smooth=smooth,
        )
    failures.absorb(left_out)
    failures.check(1 if part else len(counts), strict=strict)
    print(f"{output}: {sum(counts.values())} units of {len(counts)} utterances{failures.noted()}")
    if part:
        print("when all shards are done, the same command without --shard puts them together")


def export(
    checkpoint: Checkpoint,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.")],
    model_input: Annotated[ModelInput, typer.Option("--input", help="What it is given.")] = ModelInput.samples,
    stages: Stages = None,
) -> None:
    """Write a model that gives units without torch, as an ONNX file."""
    from sqspeech.checkpoint import TrainedModel
    from sqspeech.units.export import export as write

    write(TrainedModel.load(checkpoint, stages=stages), output, model_input.value)
    print(f"{output}: from {model_input} to codes, vectors and continuous, in ONNX")
