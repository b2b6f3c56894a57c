"""The processes of one training: started by torchrun, joined here."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from sqspeech.errors import SqspeechError


def started_by_torchrun() -> bool:
    """Return whether this process is one of several that torchrun started."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def is_first() -> bool:
    """Return whether this process writes for all."""
    return part()[0] == 0


@contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the other processes that torchrun started, if it did, and yield this one's device.

    NCCL joins GPUs, one a process (`cuda:LOCAL_RANK` for `cuda`), gloo joins CPUs. When a process is lost the others
    fail in their next exchange, so that torchrun ends them all and may start them again.

    Raises
    ------
    SqspeechError
        The host has fewer GPUs than processes, or the others cannot be reached.
    """
    if not started_by_torchrun():
        yield device
        return
    if device.type == "cuda":
        device = _own_gpu()
        torch.cuda.set_device(device)
    try:
        store, place, processes = next(rendezvous("env://"))
        # torchrun's store outlives a restart: under their old names the lost processes' addresses would still be there.
        own = PrefixStore(f"restart{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
        backend = "nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(backend, store=own, rank=place, world_size=processes)
    except (RuntimeError, ValueError) as error:
        raise SqspeechError(
            f"process {os.environ['RANK']}: cannot reach the others ({' '.join(str(error).split())}); check torchrun's "
            "--rdzv-endpoint and the network between the hosts"
        ) from None
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def _own_gpu() -> torch.device:
    index = int(os.environ["LOCAL_RANK"])
    if index >= torch.cuda.device_count():
        raise SqspeechError(
            f"process {index} of this host has no GPU of its own ({torch.cuda.device_count()} found); set torchrun's "
            "--nproc-per-node to the number of GPUs"
        )
    return torch.device("cuda", index)


def part() -> tuple[int, int]:
    """Return this process's place, from 0, and the number of processes."""
    return (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)


def processes_here() -> int:
    """Return how many of the processes are on this host."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def least(numbers: Sequence[int], device: torch.device) -> list[int]:
    """Return the least of each number over the processes; all must ask at the same step."""
    if not distributed.is_initialized():
        return list(numbers)
    found = torch.tensor(numbers, device=device)
    distributed.all_reduce(found, distributed.ReduceOp.MIN)
    return found.tolist()
