"""Conversion, decoding and speakers."""

from pathlib import Path
from typing import Annotated

import typer

from sqspeech.cli.options import (
    Checkpoint,
    Cluster,
    Device,
    Inputs,
    Jobs,
    Stages,
    Strict,
    VocoderName,
    find_device,
    open_inputs,
    open_output,
    open_workers,
)
from sqspeech.errors import SqspeechError


def convert(
    checkpoint: Checkpoint,
    inputs: Inputs,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write; - writes one WAV to stdout.")],
    to: Annotated[
        list[str],
        typer.Option(
            help="A speaker, `all`, `source` (the utterance's own), or a mixture: p225:0.5,p226:0.5; repeatable."
        ),
    ] = [],  # noqa: B006
    list_file: Annotated[
        Path | None, typer.Option("--list", metavar="FILE", help="Lines of `utterance speaker target` instead of --to.")
    ] = None,
    vocoder: VocoderName = None,
    pitch: Annotated[
        str,
        typer.Option(
            metavar="target|keep|+N", help="Not with griffin_lim: to the target's, as it is, or by N semitones."
        ),
    ] = "target",
    stages: Stages = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Convert recordings to other speakers."""
    import torch

    from sqspeech.codec import PitchRule
    from sqspeech.conversion import Converter, convert_all, plan
    from sqspeech.failures import Failures

    rule = PitchRule.parse(pitch)
    found = find_device(device, shared=jobs > 1 or cluster is not None)
    # As each of several has: rounding, and with it the files, may depend on it. Most of the work has no use for more.
    torch.set_num_threads(1)
    left_out = Failures()
    with (
        open_inputs(inputs, left_out) as utterances,
        open_output(output) as folder,
        open_workers(jobs, cluster) as workers,
    ):
        converter = Converter.load(checkpoint, found, vocoder, stages)
        planned = plan(utterances, to, list_file, converter.trained.speakers)
        if folder != output and sum(len(request.targets) for request in planned) != 1:
            raise SqspeechError("-o -: standard output takes one recording for one speaker; name a folder for more")
        count, failures = convert_all(converter, planned, folder, pitch=rule, workers=workers)
    failures.absorb(left_out)
    failures.check(count, strict=strict)
    noted = failures.noted()
    if folder == output:
        print(f"{output}: {count} recordings, listed in {output / 'manifest.tsv'}{noted}")


def decode(
    checkpoint: Checkpoint,
    units: Annotated[Path, typer.Argument(metavar="UNITS", help="A folder that `sqspeech units` wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write.")],
    to: Annotated[list[str], typer.Option(help="A speaker, `all`, or a mixture: p225:0.5,p226:0.5; repeatable.")] = [],  # noqa: B006
    list_file: Annotated[
        Path | None, typer.Option("--list", metavar="FILE", help="Lines of `utterance target` instead of --to.")
    ] = None,
    vocoder: VocoderName = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Decode units to speech: of any format that can be read back, with the model that made them."""
    import torch

    from sqspeech.codec import Codec
    from sqspeech.conversion import decode_all, plan_decoding
    from sqspeech.units import read

    found = find_device(device, shared=jobs > 1 or cluster is not None)
    torch.set_num_threads(1)  # as `convert`, so that its results are these
    codec, of_all = Codec.load(checkpoint, found), read(units)
    requests = plan_decoding(of_all, to, list_file, codec.speakers)
    with open_workers(jobs, cluster) as workers:
        count, failures = decode_all(codec, of_all, requests, output, vocoder=vocoder, workers=workers)
    failures.check(count, strict=strict)
    print(f"{output}: {count} recordings, listed in {output / 'manifest.tsv'}")


def enroll(
    checkpoint: Checkpoint,
    inputs: Inputs,
    name: Annotated[str, typer.Option(help="Of the new speaker.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="CKPT2", help="The checkpoint to write.")],
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Add a speaker to a model from some speech, 30 s or more; all else in it stays as it is."""
    from sqspeech.conversion.enrolment import enroll_recordings
    from sqspeech.failures import Failures

    found, failures = find_device(device), Failures()
    with open_inputs(inputs, failures) as utterances:
        seconds = enroll_recordings(checkpoint, utterances, name, output, failures, strict=strict, device=found)
    print(f"{output}: has the speaker {name}, from {seconds:.0f} s of speech{failures.noted()}")


def speakers(checkpoint: Checkpoint) -> None:
    """List the speakers that a model knows."""
    import torch

    from sqspeech.checkpoint import check_is_codec, read_checkpoint

    content = read_checkpoint(checkpoint, torch.device("cpu"))
    check_is_codec(content, checkpoint)
    print("\n".join(content["speakers"]))
