"""Draw images from a prior over codes and measure it: `python -m images.sample PRIOR CKPT CODES -o EXP`."""

import json
import math
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from jaxtyping import Float
from torch import Tensor

from data_prep.command import run
from images.codes import Codes, load_codes
from images.model import ImageSQVAE, load_model
from images.pictures import draw_grid
from images.prior import bits, load_prior
from sqspeech.atomic import write_text
from sqspeech.checkpoint import read_checkpoint
from sqspeech.cli.options import Device, find_device
from sqspeech.data.random_hash import hash_numbers
from sqspeech.errors import CheckpointError, DataError
from sqspeech.evaluation.metrics.codebook import entropy, usage_by_stage
from sqspeech.priors.sampling import sample
from sqspeech.priors.unit_lm import UnitLM

ROWS = COLUMNS = 8


def samples(prior: UnitLM, model: ImageSQVAE, seed: int) -> Float[Tensor, "N C H W"]:
    """Return images of codes that are drawn from the prior, from 0 to 1."""
    keys = [hash_numbers(seed, number) for number in range(ROWS * COLUMNS)]
    codes = torch.stack(list(islice(sample(prior, keys=keys), model.config.grid**2)), 1)
    with torch.inference_mode():
        return model.decode(codes if model.quantizer.stages > 1 else codes.squeeze(2))


def measures(prior: UnitLM, model: ImageSQVAE, test: Codes) -> dict[str, Any]:
    """Return the bits of the codes of a test image, and those a value of a pixel (bits per dimension of the codes).

    Beside the prior's are those of independent codes with the frequencies of the test set, and of codes that are
    equally likely.
    """
    length, size = test.codes.shape[1], test.codebook_size
    counts = usage_by_stage(list(test.codes.numpy()), size)
    found = {
        "bits": bits(prior, test.codes),
        "bits_independent": length * sum(map(entropy, counts)) / math.log(2),
        "bits_uniform": length * len(counts) * math.log2(size),
    }
    values = model.channels * model.config.images.resize**2
    return {**found, **{f"{name}_per_dim": value / values for name, value in found.items()}}


def main(
    prior: Annotated[Path, typer.Argument(help="A checkpoint of the task image_prior.")],
    checkpoint: Annotated[Path, typer.Argument(metavar="CKPT", help="The model whose codes it was trained on.")],
    codes: Annotated[Path, typer.Argument(help="The folder that images.codes wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for samples.png and prior.json.")],
    seed: Annotated[int, typer.Option(min=0, help="Another one draws other images.")] = 0,
    device: Device = "auto",
) -> None:
    """Draw images from a prior over codes, and measure it on the codes of the test images."""
    found_device = find_device(device)
    (learned, about), model = load_prior(prior, found_device), load_model(checkpoint, found_device)
    test, digest = load_codes(codes / "test.npz"), about["digest_of_codes"]
    if digest != read_checkpoint(checkpoint, found_device)["digest"]:
        raise CheckpointError(f"{checkpoint}: {prior} was trained on the codes of another model; give that one")
    if digest != test.digest:
        raise DataError(f"{codes}: the codes are of another model than those {prior} was trained on; give those")
    found = measures(learned, model, test)
    write_text(output / "prior.json", json.dumps(found, indent=1) + "\n")
    draw_grid(output / "samples.png", samples(learned, model, seed), COLUMNS)
    print(f"{output}: {', '.join(f'{name} {value:.4g}' for name, value in found.items())}")


if __name__ == "__main__":
    run(main)
