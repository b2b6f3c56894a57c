"""The two phases of a model with a discriminator, each recorded where a library pretends to be a GPU."""

import sys
from dataclasses import replace
from pathlib import Path

import shim
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from training_steps import LENGTHS, SPEAKERS, make_config, make_frames

from sqspeech.checkpoint import build_model
from sqspeech.config import DiscriminatorConfig
from sqspeech.data.crops import Crops
from sqspeech.training.spectrum_discriminator import SpectrumDiscriminator
from sqspeech.training.step import WARM_UP, TrainingStep

CUDA = torch.device("cuda")
BEGIN = WARM_UP + 3
DISCRIMINATOR = DiscriminatorConfig(begin=BEGIN, channels=(2, 3, 4))


def main() -> int:
    failed = 0
    for quantizer in ("gaussian_sq_reset", "vq_ema_reset", "residual_dropout"):
        for precision in ("float32", "bfloat16"):
            config = replace(make_config(quantizer, precision=precision), discriminator=DISCRIMINATOR)
            model = build_model(config, SPEAKERS)
            model.discriminator = SpectrumDiscriminator(DISCRIMINATOR, SPEAKERS)
            speakers = [number % SPEAKERS for number in range(len(LENGTHS))]
            crops = Crops(make_frames(CUDA), speakers, config.crops, seed=1)
            step = TrainingStep(model.to(CUDA).train(), crops, config, CUDA, eager=False)
            shim.reset()
            for number in range(2 * BEGIN):
                step(number)
            kinds, faults = [event.kind for event in shim.events()], shim.faults()
            graphs, launched = kinds.count("capture-end"), kinds.count("graph-launch")
            print(f"{quantizer}, {precision}: {graphs} graphs, {launched} launched, {len(faults)} faults")
            failed += bool(faults) or graphs != 2 or launched != 6
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
