"""A model as one ONNX file, which gives codes without torch."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqspeech.atomic import atomic_path
from sqspeech.checkpoint import TrainedModel
from sqspeech.codec.units import UnitInfo

if TYPE_CHECKING:
    import onnx

ModelInput = Literal["samples", "mel"]


def export(trained: TrainedModel, path: Path, model_input: ModelInput = "samples") -> None:
    """Write a model from samples or log-mel to codes as an ONNX file; see `build`.

    Raises
    ------
    ConfigError
        The model has no codebook.
    SqspeechError
        The file cannot be written.
    """
    content = build(trained, model_input).SerializeToString()
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def build(trained: TrainedModel, model_input: ModelInput = "samples") -> "onnx.ModelProto":
    """Return a model from samples or log-mel to codes in ONNX.

    Its input is `samples`, float32 of shape (N,) at the model's sample rate, or `mel`, float32 of shape (T, M), the
    log-mel of `LogMel`. Its outputs are `codes`, int64 of shape (L,), their codewords `vectors` and the encoder's
    output `continuous`, both float32 of shape (L, D). The fields of `UnitInfo`, `sample_rate` and `min_samples`,
    the least N, are its metadata: text as it is and everything else in JSON.

    Raises
    ------
    ConfigError
        The model has no codebook.
    """
    import onnx

    from sqspeech.onnx_model import OnnxGraph, Shape
    from sqspeech.units import onnx_graph

    info = UnitInfo.of(trained)
    graph, quantizer = OnnxGraph(), trained.model.quantizer
    dim, stages = quantizer.dim, quantizer.stages
    if model_input == "samples":
        given: Shape = ["N"]
        mel = onnx_graph.add_log_mel(graph, "samples", trained.log_mel)
    else:
        given = ["T", trained.config.features.n_mels]
        mel = graph.add("Transpose", "mel", perm=[1, 0])
    used = onnx_graph.add_used_frames(graph, mel, trained.model.geometry)
    encoded = trained.model.encoder.add_to_graph(graph, used)
    quantizer.add_to_graph(graph, encoded)
    return graph.model(
        "units",
        inputs={model_input: (onnx.TensorProto.FLOAT, given)},
        outputs={
            "codes": (onnx.TensorProto.INT64, ["L"] if stages == 1 else ["L", stages]),
            "vectors": (onnx.TensorProto.FLOAT, ["L", dim]),
            "continuous": (onnx.TensorProto.FLOAT, ["L", dim]),
        },
        metadata=_metadata(trained, info),
    )


def _metadata(trained: TrainedModel, info: UnitInfo) -> dict[str, str]:
    features = trained.config.features
    min_samples = trained.model.geometry.min_samples(features)
    values = {**asdict(info), "sample_rate": features.sample_rate, "min_samples": min_samples}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
