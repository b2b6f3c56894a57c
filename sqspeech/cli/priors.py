"""Priors: generated speech, and scores of units."""

from pathlib import Path
from typing import Annotated

import typer

from sqspeech.cli.options import STANDARD, Checkpoint, Device, Strict, VocoderName, find_device, open_inputs

PriorFile = Annotated[
    Path, typer.Argument(metavar="PRIOR", help="A prior that `sqspeech train` wrote, with `task: prior`.")
]


def generate(
    prior: PriorFile,
    checkpoint: Checkpoint,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write.")],
    to: Annotated[str, typer.Option(help="A speaker, or a mixture: p225:0.5,p226:0.5.")],
    prompts: Annotated[
        list[Path], typer.Option("--prompt", metavar="INPUT", help="Recordings to continue; repeatable.")
    ] = [],  # noqa: B006
    seconds: Annotated[float, typer.Option(help="Of each sample, beside its prompt.")] = 5.0,
    count: Annotated[int, typer.Option(min=1, help="Samples, of each prompt.")] = 8,
    temperature: Annotated[float, typer.Option(help="Less than 1 prefers what is likely.")] = 1.0,
    top_p: Annotated[float, typer.Option(help="Draw from the likeliest units of this probability.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    vocoder: VocoderName = None,
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Generate speech: samples of a prior over units, or continuations of recordings, in the voice of a speaker."""
    import torch

    from sqspeech.codec import Codec
    from sqspeech.failures import Failures
    from sqspeech.priors.generation import GenerationRequest
    from sqspeech.priors.generation import generate as write
    from sqspeech.priors.sampling import Sampling
    from sqspeech.priors.trained import Prior

    sampling = Sampling(temperature=temperature, top_p=top_p)
    request = GenerationRequest(seconds=seconds, count=count, seed=seed, sampling=sampling)
    found, left_out = find_device(device), Failures()
    torch.set_num_threads(1)  # as `decode`, so that its results are these
    model = Prior.load(prior, found)
    codec = Codec.load(checkpoint, found, smooth=model.info.smooth)
    if prompts:
        with open_inputs(prompts, left_out) as utterances:
            written, failures = write(model, codec, output, to, request, prompts=utterances, vocoder=vocoder)
    else:
        written, failures = write(model, codec, output, to, request, vocoder=vocoder)
    failures.absorb(left_out)
    failures.check(written, strict=strict)
    print(f"{output}: {written} recordings, listed in {output / 'manifest.tsv'}{failures.noted()}")


def score(
    prior: PriorFile,
    units: Annotated[Path, typer.Argument(metavar="UNITS", help="A folder that `sqspeech units` wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The TSV file to write; - is stdout.")] = STANDARD,
    device: Device = "auto",
) -> None:
    """Score units by a prior: negative log-likelihood, bits a unit and bits a second of each utterance."""
    from sqspeech.atomic import write_text
    from sqspeech.priors.trained import Prior, score_table
    from sqspeech.units import read

    found = read(units)
    table, bits = score_table(Prior.load(prior, find_device(device)).nats(found), found)
    if output == STANDARD:
        print(table, end="")
        return
    write_text(output, table)
    print(f"{output}: {len(found)} utterances, {bits:.3f} bits a unit, {bits * found.info.frame_rate:.1f} bit/s")
