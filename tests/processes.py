"""Commands in processes of their own, forked from a server that has imported torch: a start costs no seconds."""

import importlib
import multiprocessing
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")


def serve() -> None:
    """Start the server, before the library starts the one that there can be, with less in it."""
    # The first optimizer imports torch._dynamo, which takes as long as torch.
    CONTEXT.set_forkserver_preload(["sqspeech.cli", "sqspeech.training", "torch._dynamo"])
    forkserver.ensure_running()


def run(arguments: Sequence[object], folder: Path, count: int = 1, *, imported: Sequence[str] = ()) -> tuple[int, str]:
    """Run a command in `count` processes that are joined as by torchrun; return the first's status and output.

    `imported` are modules that are imported before.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        joined = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "TORCHELASTIC_RUN_ID": "test"}
    processes = []
    for rank in map(str, range(count)):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
        processes.append(start(arguments, folder / f"output-{rank}", joined | place if count > 1 else {}, imported))
    for process in processes:
        process.join(300)
        process.kill()
    assert processes[0].exitcode is not None
    return processes[0].exitcode, (folder / "output-0").read_text()


def start(
    arguments: Sequence[object], output: Path, environment: Mapping[str, str], imported: Sequence[str] = ()
) -> BaseProcess:
    """Start a command in a group of its own, with its stdout and stderr in a file."""
    texts = [str(argument) for argument in arguments]
    process = CONTEXT.Process(target=_command, args=(texts, output, environment, imported))
    process.start()
    return process


def _command(arguments: list[str], output: Path, environment: Mapping[str, str], imported: Sequence[str]) -> None:
    import torch

    from sqspeech import cli

    for name in imported:
        importlib.import_module(name)
    torch.set_num_threads(1)
    os.setsid()  # a group that signals can be sent to, as a shell makes one
    os.environ.update(environment)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ["sqspeech", *arguments]
    cli.main()
