"""A task with two optimisers and two phases, recorded where a library pretends to be a GPU.

Each phase must become one graph without a fault, whether its rows are on the device or fed from the host.
"""

import sys
from pathlib import Path

import shim
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
import gan_task

from sqspeech.training.step import WARM_UP, TrainingStep

CUDA = torch.device("cuda")
CONFIG = gan_task.GanConfig.from_dict({"training": {"discriminator_from": 0}}, "check")


def main() -> int:
    failed = 0
    for residency in ("device", "host"):
        shim.reset()
        torch.manual_seed(0)
        model = gan_task.Gan(8).to(CUDA)
        batches = gan_task.Rows(gan_task.make_points(50, 0), torch.device("cpu"), True, 4, (0, 1))
        batches.on_device = residency == "device"
        if batches.on_device:  # made on the CPU: the device's values are read back as zero
            batches._rows, batches._places = batches._rows.to(CUDA), batches._places.to(CUDA)
        step = TrainingStep(model, batches, CONFIG, CUDA, eager=False)
        for number in range(2 * WARM_UP + 4):  # the phases take turns
            step(number)
        kinds = [event.kind for event in shim.events()]
        faults = shim.faults()
        print(f"{residency}: {kinds.count('capture-end')} graphs, {kinds.count('graph-launch')} launched, "
              f"{len(faults)} faults")  # fmt: skip
        failed += bool(faults) or kinds.count("capture-end") != 2 or kinds.count("graph-launch") != 4
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
