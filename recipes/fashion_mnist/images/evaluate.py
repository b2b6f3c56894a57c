"""Evaluate a model on the test images: `python -m images.evaluate CKPT DATA -o METRICS.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from data_prep.command import run
from images.image_set import load_images
from images.measure import measure
from images.model import load_model
from sqspeech.atomic import write_text
from sqspeech.cli.options import Device, find_device


def evaluate(checkpoint: Path, data: Path, output: Path, device: str) -> dict[str, Any]:
    """Measure the model of a checkpoint on test.npz of `data`, write what is found and return it.

    Raises
    ------
    CheckpointError, DataError
        The model or the images cannot be read.
    SqspeechError
        `output` cannot be written.
    """
    found_device = find_device(device)
    model = load_model(checkpoint, found_device)
    images = load_images(data / "test.npz", model.config.images.resize).to(found_device)
    measures = {"images": len(images), **measure(model, images)}
    write_text(output, json.dumps(measures, indent=1) + "\n")
    return measures


def in_words(measures: Mapping[str, Any]) -> str:
    """Return the measures that are numbers as a line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in measures.items() if name != "usage")


def main(
    checkpoint: Annotated[Path, typer.Argument(metavar="CKPT", help="A checkpoint of `python -m images train`.")],
    data: Annotated[Path, typer.Argument(help="The folder that images.prepare wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The JSON file to write.")],
    device: Device = "auto",
) -> None:
    """Evaluate a model on the test images."""
    print(f"{output}: {in_words(evaluate(checkpoint, data, output, device))}")


if __name__ == "__main__":
    run(main)
