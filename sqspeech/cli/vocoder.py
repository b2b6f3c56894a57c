"""A trained vocoder: the data that its training needs, its place in a model, and its use without torch."""

from pathlib import Path
from typing import Annotated

import typer

from sqspeech.cli.options import Checkpoint, Cluster, Config, Jobs, Overrides, Strict, open_workers
from sqspeech.errors import ConfigError


def vocoder_data(
    dump: Annotated[Path, typer.Argument(metavar="DUMP", help="A folder that `sqspeech features` wrote.")],
    config: Config,
    overrides: Overrides = [],  # noqa: B006
    jobs: Jobs = 1,
    cluster: Cluster = None,
    strict: Strict = False,
) -> None:
    """Add to a dump what a vocoder is trained on: F0, phase and samples of each frame; continued if stopped."""
    import torch

    from sqspeech.codec import Codec
    from sqspeech.data.feature_store import FeatureStore
    from sqspeech.training.tasks.base import load_task_config
    from sqspeech.training.vocoder.config import VocoderConfig
    from sqspeech.training.vocoder.extraction import extract_rows

    wanted = load_task_config(config, overrides)
    if not isinstance(wanted, VocoderConfig):
        raise ConfigError(f"{config}: not of the task vocoder; see recipes/librispeech/conf/vocoder.yaml")
    store = FeatureStore.open(dump, wanted.features)
    torch.set_num_threads(1)
    codec = Codec.load(wanted.inputs.codec) if wanted.inputs.codec else None
    with open_workers(jobs, cluster) as workers:
        done, failures = extract_rows(store, codec, workers)
    failures.check(done, strict=strict)
    print(f"{dump}: pitch and samples of {done} utterances, {len(failures.reasons)} skipped")


def attach_vocoder(
    checkpoint: Checkpoint,
    vocoder: Annotated[Path, typer.Argument(metavar="VOCODER_CKPT", help="A checkpoint of the task vocoder.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.ckpt", help="The checkpoint to write.")],
) -> None:
    """Put a trained vocoder into a model, which then makes speech with it; its units stay the same."""
    from sqspeech.atomic import atomic_path
    from sqspeech.checkpoint import write_content
    from sqspeech.conversion.attachment import attach_vocoder as attach

    content = attach(checkpoint, vocoder)
    with atomic_path(output) as temporary:
        write_content(temporary, content)
    print(f"{output}: the model of {checkpoint} with the vocoder of {vocoder}")


def export_vocoder(
    checkpoint: Checkpoint,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.")],
) -> None:
    """Write the trained vocoder of a model, which makes speech without torch, as an ONNX file."""
    from sqspeech.checkpoint import TrainedModel
    from sqspeech.conversion.export import export_vocoder as write

    write(TrainedModel.load(checkpoint), output)
    print(f"{output}: from log-mel and F0 to samples, in ONNX")
