"""The host's side of every scenario, run where a library pretends to be a GPU and every value reads back as zero.

Shows that devices, types and shapes fit and PyTorch refuses nothing; says how many kernels were launched, and how often
the host waited. Answers are put in where zeros would end the work: that samples are no silence, that codes and frames
were counted.
"""

import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import shim
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from gpu.scenarios import scenarios

from sqspeech import distributed
from sqspeech.cli.options import find_device
from sqspeech.features import LogMel
from sqspeech.training import dev_metrics


def main() -> int:
    accept_zeros()
    assert {str(find_device(name)) for name in ("auto", "cuda")} == {"cuda"}
    assert str(find_device("cuda:0")) == "cuda:0"
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, work in scenarios(Path(folder)):
            if name == "features":
                work(torch.device("cpu"))  # which the validations read
            shim.reset()
            try:
                work(torch.device("cuda"))
            except Exception as error:  # the others are to be tried
                failed += 1
                print(f"{name}: FAILED, {type(error).__name__}: {str(error).splitlines()[0]}")
                continue
            waits = sum(event.kind.endswith("-sync") for event in shim.events())
            print(f"{name}: {shim.launches()} kernels, {waits} waits")
    return 1 if failed else 0


def accept_zeros() -> None:
    peak = LogMel.peak
    LogMel.peak = lambda log_mel, samples: (
        peak(log_mel, samples) if samples.device.type == "cpu" else torch.maximum(*samples.aminmax())
    )
    summed = vars(distributed) | {"all_reduce_sum": lambda sums: torch.ones_like(sums, device="cpu")}
    dev_metrics.distributed = SimpleNamespace(**summed)


if __name__ == "__main__":
    sys.exit(main())
