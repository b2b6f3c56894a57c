"""Arguments and options that commands share, and what they stand for."""

import errno
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from sqspeech.errors import SqspeechError, cannot_write
from sqspeech.hub import find_checkpoint

if TYPE_CHECKING:
    import torch

    from sqspeech.corpus import Workers
    from sqspeech.data.data_dir import Utterance
    from sqspeech.failures import Failures

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...", envvar="SQSPEECH_DEVICE")]
Strict = Annotated[bool, typer.Option("--strict", help="End with status 1 if any input was skipped.")]
Config = Annotated[Path, typer.Option(help="The experiment's YAML.")]
Overrides = Annotated[list[str], typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a value of it.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes on this machine, of one thread each.")]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="A Dask scheduler, tcp://HOST:PORT or its file: its workers instead of --jobs."
    ),
]
ShardText = Annotated[str | None, typer.Option("--shard", metavar="I/N", help="Compute the I-th of N parts only.")]
Checkpoint = Annotated[
    Path,
    typer.Argument(
        parser=find_checkpoint,
        metavar="CKPT",
        help="A checkpoint that `sqspeech train` wrote, or hf://USER/NAME of the Hugging Face Hub.",
    ),
]
Stages = Annotated[
    int | None,
    typer.Option(metavar="N", help="Only the first N stages of a residual quantiser: fewer bits, same model."),
]
Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="INPUT...", help="Recordings, folders, patterns, data directories; - is standard input."),
]
Data = Annotated[Path, typer.Argument(metavar="DATA", help="A Kaldi data directory.")]

# As a path on the command line: standard input or output.
STANDARD = Path("-")


VocoderName = Annotated[
    str | None,
    typer.Option("--vocoder", metavar="NAME", help="What makes the waveform; an unknown name lists those there are."),
]


def find_device(name: str, *, shared: bool = False) -> "torch.device":
    """Return the device of a name and make it the current one.

    `auto` is a GPU where there is one, but a CPU where the model is `shared` by several workers, who would each need
    the device to themselves.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() and not shared else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise SqspeechError(
            f"--device {name}: not available on this machine; `sqspeech doctor` lists devices"
        ) from None
    if shared and device.type != "cpu":
        raise SqspeechError(
            f"--device {name}: a network on {device} stays in one process, without --jobs and --cluster; give --device "
            "cpu or leave it out"
        )
    if device.type == "cuda" and device.index is not None:
        # Pinned memory, streams and events belong to the current device, whatever they are used with.
        torch.cuda.set_device(device)
    return device


@contextmanager
def open_workers(jobs: int, cluster: str | None) -> "Iterator[Workers]":
    """Yield the processes of this machine or, where its address is given, the cluster."""
    from sqspeech.corpus import Processes

    if cluster is None:
        yield Processes(jobs)
        return
    if jobs > 1:
        raise SqspeechError(f"--jobs {jobs} --cluster {cluster}: the cluster has its own workers; leave --jobs out")
    from sqspeech.corpus.cluster import connect

    with connect(cluster) as workers:
        yield workers


@contextmanager
def open_inputs(inputs: Sequence[Path], failures: "Failures") -> "Iterator[list[Utterance]]":
    """Yield the utterances of the inputs; `-` is a recording on standard input. `failures` takes what is left out."""
    from sqspeech.atomic import atomic_path
    from sqspeech.data.inputs import read_inputs

    with TemporaryDirectory(prefix="sqspeech-") as folder:
        stdin = Path(folder) / "stdin"
        if STANDARD in inputs:
            if sys.stdin is None:
                raise SqspeechError("-: standard input is closed; pipe a recording into it, or give a file")
            with atomic_path(stdin) as temporary, temporary.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        yield read_inputs([stdin if path == STANDARD else path for path in inputs], failures)


@contextmanager
def open_output(output: Path) -> Iterator[Path]:
    """Yield `output` or, where it is `-`, a folder whose one recording is written to standard output afterwards."""
    if output != STANDARD:
        yield output
        return
    with TemporaryDirectory(prefix="sqspeech-") as folder:
        yield Path(folder)
        for path in Path(folder).glob("*.wav"):
            _to_standard_output(path)


def _to_standard_output(path: Path) -> None:
    try:
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except OSError as error:
        # What is left in the buffer would fail once more, with a traceback, when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            raise SqspeechError("-o -: the reader of the pipe ended too early; see why") from None
        raise cannot_write("-o -", error) from None
