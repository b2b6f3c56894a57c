"""The trained vocoder of a model as one ONNX file, which makes speech without torch."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sqspeech import __version__
from sqspeech.atomic import atomic_path
from sqspeech.checkpoint import TrainedModel
from sqspeech.errors import ConfigError

if TYPE_CHECKING:
    import onnx


def export_vocoder(trained: TrainedModel, path: Path) -> None:
    """Write the vocoder of a model as an ONNX file; see `build`.

    Raises
    ------
    ConfigError
        The model has no vocoder of its own, or one that cannot be written.
    SqspeechError
        The file cannot be written.
    """
    content = build(trained).SerializeToString()
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def build(trained: TrainedModel) -> "onnx.ModelProto":
    """Return the vocoder of a model in ONNX.

    Its inputs are `mel`, float32 of shape (T, M), the log-mel of `LogMel`, and `f0`, float32 of shape (T,), in Hz and 0
    where unvoiced; its output is `samples`, float32 of shape (N,), N = (T - 1) * hop_length. Its metadata are
    `sample_rate`, `hop_length`, `vocoder`, `checkpoint` and `version`, and `features`, the parameters of the log-mel in
    JSON.

    Raises
    ------
    ConfigError
        The model has no vocoder of its own, or one that does not add itself to a graph.
    """
    import onnx

    from sqspeech.onnx_model import OnnxGraph

    vocoder, features, graph = trained.vocoder, trained.config.features, OnnxGraph()
    if vocoder is None:
        raise ConfigError(
            "the model has no vocoder of its own; put one into it with `sqspeech attach-vocoder CKPT EXP/best.ckpt -o "
            "OUT.ckpt`"
        )
    if not hasattr(vocoder, "add_to_graph"):
        raise ConfigError(f"the vocoder {vocoder.name} has no ONNX graph; its class would need a method add_to_graph")
    vocoder.add_to_graph(graph, "mel", "f0", "samples")
    return graph.model(
        "vocoder",
        inputs={"mel": (onnx.TensorProto.FLOAT, ["T", features.n_mels]), "f0": (onnx.TensorProto.FLOAT, ["T"])},
        outputs={"samples": (onnx.TensorProto.FLOAT, ["N"])},
        metadata={
            "sample_rate": str(features.sample_rate),
            "hop_length": str(features.hop_length),
            "vocoder": vocoder.name,
            "checkpoint": trained.digest,
            "features": json.dumps(asdict(features)),
            "version": __version__,
        },
    )
