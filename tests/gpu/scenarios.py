"""Everything that uses a trained model, on a device: each gives arrays, which on a GPU must be those of the CPU."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from codewords import place
from corpus import voice, write_corpus
from training_steps import QUANTIZERS, SPEAKERS, make_config, make_step

from sqspeech.checkpoint import TrainedModel, checkpoint_content
from sqspeech.conversion import Converter
from sqspeech.conversion.enrolment import enroll
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import extract_features
from sqspeech.data.feature_store import FeatureStore
from sqspeech.errors import ConfigError
from sqspeech.evaluation.evaluate import evaluate
from sqspeech.features import LogMel
from sqspeech.training.dev_metrics import Validation
from sqspeech.units.extractor import UnitExtractor
from sqspeech.vocoders.griffin_lim import GriffinLim

NAMES = ["f1", "f2", "m1"]
assert len(NAMES) == SPEAKERS

# What takes long, and is the same for all quantisers but for what is encoded, is done with one of each kind.
KINDS = ("gaussian_sq_IV", "vq_ema", "gaussian_vae")

type Arrays = dict[str, np.ndarray]
type Scenario = tuple[str, Callable[[torch.device], Arrays]]


def scenarios(folder: Path) -> Iterator[Scenario]:
    """Yield a name and what is to be done, in an order; files go into the folder."""
    data = DataDir.read(write_corpus(folder / "data", range(2), dict(zip(NAMES, (210.0, 180.0, 120.0), strict=True))))
    yield "features", lambda device: features(data, folder / device.type)
    for quantizer in QUANTIZERS:
        for normalize in (False, True):
            trained = make_trained(quantizer, normalize)
            name = f"{quantizer}{', normalised' if normalize else ''}"
            if trained.model.quantizer.codebook_size:
                yield f"units, {name}", lambda device, trained=trained: units(on(trained, device))
                yield f"stream, {name}", lambda device, trained=trained: stream(on(trained, device))
                yield f"decoding, {name}", lambda device, trained=trained: decoding(on(trained, device))
            yield (
                f"validation, {name}",
                lambda device, trained=trained: validation(on(trained, device), folder / "cpu"),
            )
            if quantizer in KINDS:
                yield f"conversion, {name}", lambda device, trained=trained: conversion(on(trained, device))
                yield f"evaluation, {name}", lambda device, trained=trained: evaluation(on(trained, device), data)
                yield f"enrolment, {name}", lambda device, trained=trained: enrolment(on(trained, device))


def make_trained(quantizer: str, normalize: bool) -> TrainedModel:
    """A small model on the CPU whose BatchNorm has seen a batch and whose codewords are among the latents."""
    config = make_config(quantizer, normalize=normalize)
    step = make_step(config)
    step(0)
    model, log_mel = step.model.eval(), LogMel(config.features)
    with torch.no_grad():
        if model.quantizer.codebook_size:
            mel = log_mel(torch.from_numpy(voice(210.0, 0)))[None]
            latents = model.encoder(mel)[0, :, : model.quantizer.dim]
            place(model.quantizer, latents[:: len(latents) // 8][:8])
    return TrainedModel(
        config=config,
        speakers=NAMES,
        pitch={},
        model=model,
        log_mel=log_mel,
        device=torch.device("cpu"),
        digest="0" * 16,
    )


def on(trained: TrainedModel, device: torch.device) -> TrainedModel:
    """Move a model, as loading it for the device would."""
    return replace(trained, model=trained.model.to(device), log_mel=trained.log_mel.to(device), device=device)


def features(data: DataDir, dump: Path) -> Arrays:
    extract_features(data, dump, make_config().features, device=torch.device(dump.name))
    store = FeatureStore.open(dump)
    # In amplitude, of which rounding takes a share of the largest.
    return {utterance.utt_id: 10 ** (4 * store.read(utterance.utt_id)) for utterance in store.data}


@cache
def recordings() -> list[np.ndarray]:
    """A short one, and one that is longer than the encoder's windows."""
    return [voice(150.0, 3, 1.0), voice(90.0, 3, 20.0)]


def units(trained: TrainedModel) -> Arrays:
    extractor = UnitExtractor(trained)
    matrices = ["vectors", "continuous"]
    with suppress(ConfigError):  # a baseline has no posteriors
        extractor.codec.check_matrices(["posteriors"])
        matrices.append("posteriors")
    found = [extractor.extract(samples, 16000, matrices=matrices) for samples in recordings()]
    return {f"{name} {n}": getattr(one, name) for n, one in enumerate(found) for name in ("codes", *matrices)}


def stream(trained: TrainedModel) -> Arrays:
    extractor, samples = UnitExtractor(trained), voice(150.0, 4, 2.0)
    live = extractor.stream(extractor.level(samples, 16000))
    parts = [part for block in np.split(samples, 10) for part in live.push(block)] + list(live.close())
    return {"codes": np.concatenate([part.codes for part in parts])}


@torch.inference_mode()
def decoding(trained: TrainedModel) -> Arrays:
    mel = trained.features(voice(150.0, 5))
    codes, speaker = trained.model.encode(mel), trained.speaker_index("m1")
    return {
        "decoded": trained.model.decode(codes, speaker).cpu().numpy(),
    }


def conversion(trained: TrainedModel) -> Arrays:
    converter = Converter(trained, GriffinLim(trained.config.features, iterations=2))
    return {to: np.abs(converter.convert(voice(150.0, 6), 16000, to=to)[0]).mean() for to in ("f2", "f1:0.5,m1:0.5")}


def validation(trained: TrainedModel, dump: Path) -> Arrays:
    measured = Validation(FeatureStore.open(dump), NAMES, 80.0, trained.device)(trained.model)
    trained.model.eval()
    return {name: np.array(value) for name, value in measured.items()}


def evaluation(trained: TrainedModel, data: DataDir) -> Arrays:
    metrics, _ = evaluate(trained, data, vocoder="griffin_lim")
    return {name: np.array(metrics[name]) for name in ("mse_db2", "feature_variance_db2")}


def enrolment(trained: TrainedModel) -> Arrays:
    content = checkpoint_content(trained.config, NAMES, {}, trained.model, {})
    with patch("sqspeech.conversion.enrolment.STEPS", 5):
        found = enroll(trained, content, [voice(160.0, sentence) for sentence in range(7)], "new")
    return {"embedding": found["model"]["decoder.speakers.weight"][-1].cpu().numpy()}
