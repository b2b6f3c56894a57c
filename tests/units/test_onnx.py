"""The exported model in onnxruntime against the model in torch, and against both in double precision."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
import torch
from codewords import place
from corpus import voice
from torch import Tensor

import sqspeech.units
from sqspeech import audio
from sqspeech.checkpoint import TrainedModel, build_model
from sqspeech.config import ExperimentConfig
from sqspeech.errors import ConfigError
from sqspeech.features import LogMel
from sqspeech.units import UnitExtractor, UnitInfo
from sqspeech.units.export import build, export

QUANTIZERS = {
    "gaussian_sq_I": {"variance": "I"},
    "gaussian_sq_II": {"variance": "II"},
    "gaussian_sq_III": {"variance": "III"},
    "gaussian_sq_IV": {"variance": "IV"},
    "vmf_sq": {"name": "vmf_sq"},
    "vq_ema": {"name": "vq_ema"},
    "fsq": {"name": "fsq", "levels": [8, 5, 4]},
    "sim_vq": {"name": "sim_vq"},
    "residual_gaussian_sq_I": {"name": "residual", "stages": 3, "quantizer": {"variance": "I"}},
    "residual_gaussian_sq_IV": {"name": "residual", "stages": 3, "quantizer": {"variance": "IV"}},
}
SIZE = {"codebook_size": 64, "codebook_dim": 16}


def untrained(
    quantizer: dict[str, object] = QUANTIZERS["gaussian_sq_IV"], *, normalize: bool = False, **features: object
) -> TrainedModel:
    """A model with the statistics of speech-like sounds in its BatchNorm, and codewords among its latents."""
    torch.manual_seed(0)
    sections = {
        "encoder": {"width": 48, "normalize": normalize},
        "quantizer": sized(quantizer),
        "features": features,
    }
    config = ExperimentConfig.from_dict(sections, "test")
    model, log_mel = build_model(config, 1).requires_grad_(False), LogMel(config.features)
    mels = [log_mel(torch.from_numpy(voice(f0, i, 2.0))) for i, f0 in enumerate((100.0, 150.0, 220.0))]
    for _ in range(50):
        model.encoder(torch.stack(mels))
    latents = model.eval()._latents(torch.stack(mels))[0].flatten(0, 1)
    place(model.quantizer, latents[torch.randperm(len(latents))[:64]])
    return TrainedModel(
        config=config,
        speakers=["a"],
        pitch={},
        model=model,
        log_mel=log_mel,
        device=torch.device("cpu"),
        digest="0123456789abcdef",
    )


def sized(quantizer: dict[str, object]) -> dict[str, object]:
    match quantizer.get("name"):
        case "gaussian_vae" | "fsq":
            return quantizer
        case "residual":
            return {**quantizer, "quantizer": quantizer["quantizer"] | SIZE}
    return quantizer | SIZE


@pytest.fixture(scope="module", params=QUANTIZERS)
def trained(request: pytest.FixtureRequest) -> TrainedModel:
    return untrained(QUANTIZERS[request.param])


def session(trained: TrainedModel, model_input: str = "samples") -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = build(trained, model_input).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def distances(trained: TrainedModel, samples: np.ndarray, dtype: torch.dtype) -> Tensor:
    """Weighted distances (L, K) as differences in double precision, after features and encoder of `dtype`."""
    log_mel, model = copy.deepcopy(trained.log_mel).to(dtype), copy.deepcopy(trained.model).to(dtype)
    mel = log_mel(torch.from_numpy(samples).to(dtype))
    output = model.encoder(mel[None, : len(mel) // 2 * 2])[0].double()
    z, extra = output.tensor_split([model.quantizer.dim], dim=-1)
    codebook = copy.deepcopy(model.quantizer).double().lookup(torch.arange(model.quantizer.codebook_size))
    weight = torch.exp(-extra - model.quantizer.log_variance.double()) if extra.shape == z.shape else 1.0
    if trained.config.quantizer.name == "vmf_sq":
        z = z / z.norm(dim=-1, keepdim=True)
    return torch.stack([(weight * (z - codeword).square()).sum(-1) for codeword in codebook], dim=-1)


def check(trained: TrainedModel, samples: np.ndarray, found: np.ndarray) -> int:
    """Return how many codes differ; each of them is one of two that lie closer than single precision tells apart."""
    expected = UnitExtractor(trained).extract(samples, trained.config.features.sample_rate).codes
    assert found.dtype == np.int64
    assert found.shape == expected.shape
    differ = torch.from_numpy((found != expected).reshape(len(found), -1).any(-1)).nonzero()[:, 0]
    if len(differ) and trained.config.quantizer.name in ("fsq", "residual"):
        log_mel, model = copy.deepcopy(trained.log_mel).double(), copy.deepcopy(trained.model).double()
        latents = model._latents(log_mel(torch.from_numpy(samples).double())[None])
        assert trained.model.quantizer.choose(*latents).near[0, differ].all()
    elif len(differ):
        exact, single = (distances(trained, samples, dtype) for dtype in (torch.float64, torch.float32))
        scale = exact.mean(-1)
        rounding = ((single - exact).abs().amax(-1) / scale).max()
        assert rounding < 1e-3
        ours, theirs = (exact[differ, torch.from_numpy(codes)[differ]] for codes in (found, expected))
        assert ((ours - theirs).abs() / scale[differ]).max() < rounding
    return len(differ)


SOUNDS = {
    "voice": voice(130.0, 0, 1.0),
    "odd": voice(130.0, 1, 1.0)[:15839],
    "shortest": voice(130.0, 2, 1.0)[:1025],
    "one more frame": voice(130.0, 2, 1.0)[:1120],
    "offset": voice(130.0, 3, 1.0) * 0.4 + np.float32(0.5),
    "silence and noise": np.concatenate(
        [np.zeros(8000, np.float32), 1e-4 * np.random.default_rng(0).standard_normal(8000, np.float32)]
    ),
    "silence": np.zeros(16000, np.float32),
    "quiet": 1e-6 * voice(130.0, 4, 1.0),
    "loud": 1e3 * voice(130.0, 4, 1.0),
}


def test_the_codes_are_those_of_torch(trained):
    model = session(trained)
    for samples in SOUNDS.values():
        codes, vectors, continuous = model.run(None, {"samples": samples})
        # Of three stages' codes one may lie between two.
        assert check(trained, samples, codes) <= (trained.model.quantizer.stages > 1)
        np.testing.assert_allclose(vectors, trained.model.quantizer.lookup(torch.from_numpy(codes)), rtol=1e-6)
        z, _ = trained.model._latents(trained.features(samples))
        np.testing.assert_allclose(continuous, z[0], atol=5e-4)


def test_the_codes_use_the_codebook(trained):
    samples = np.concatenate([voice(130.0, sentence) for sentence in range(6)])
    codes = session(trained).run(["codes"], {"samples": samples})[0]
    assert all(len(np.unique(stage)) > 16 for stage in codes.reshape(len(codes), -1).T)


@pytest.mark.parametrize("frames", [4, 5, 6, 7, 100, 101])
def test_a_log_mel(trained, frames):
    mel = trained.log_mel(torch.from_numpy(SOUNDS["voice"]))[:frames]
    codes = session(trained, "mel").run(["codes"], {"mel": mel.numpy()})[0]
    np.testing.assert_array_equal(codes, trained.model.encode(mel[None])[0])


@pytest.mark.parametrize(
    "features",
    [
        {"n_fft": 400},
        {"pad_mode": "constant"},
        {"pad_mode": "replicate", "win_length": 401, "hop_length": 161},
        {"preemphasis": 0.0, "peak": 0.5, "top_db": 60.0},
        {"sample_rate": 22050, "n_fft": 1024, "hop_length": 256, "win_length": 1024, "n_mels": 40, "fmin": 0.0},
    ],
    ids=str,
)
def test_other_features(features):
    trained = untrained(**features)
    model = session(trained)
    shortest = int(model.get_modelmeta().custom_metadata_map["min_samples"])
    for samples in (SOUNDS["voice"], SOUNDS["odd"], SOUNDS["voice"][:shortest]):
        assert check(trained, samples, model.run(["codes"], {"samples": samples})[0]) <= 1


def test_real_speech(trained, speech):
    model, frames, differ = session(trained), 0, 0
    for path in sorted((speech / "librispeech28").rglob("*.flac"))[::60]:
        samples = soundfile.read(path, dtype="float32")[0]
        codes = model.run(["codes"], {"samples": samples})[0]
        frames, differ = frames + len(codes), differ + check(trained, samples, codes)
    assert differ <= 1e-3 * frames


def test_the_file_says_what_the_sidecar_of_units_says(trained, tmp_path):
    export(trained, tmp_path / "model.onnx")
    about = onnxruntime.InferenceSession(tmp_path / "model.onnx").get_modelmeta().custom_metadata_map
    assert (about.pop("sample_rate"), about.pop("min_samples")) == ("16000", "1025")
    texts = ("checkpoint", "precision", "version", "format")
    assert UnitInfo(**{k: v if k in texts else json.loads(v) for k, v in about.items()}) == UnitInfo.of(trained)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("sound", SOUNDS)
def test_an_encoder_that_hears_bands_without_their_mean(sound):
    trained = untrained(normalize=True)
    codes = session(trained).run(["codes"], {"samples": SOUNDS[sound]})[0]
    assert check(trained, SOUNDS[sound], codes) <= 0.01 * len(codes)


def test_no_codebook_is_said(tmp_path):
    with pytest.raises(ConfigError, match="gaussian_vae has no codebook and so no units"):
        export(untrained({"name": "gaussian_vae"}), tmp_path / "model.onnx")


@pytest.mark.parametrize("rate", [16000, 44100])
def test_the_example_needs_no_torch(tmp_path, rate):
    trained = untrained()
    text = Path(sqspeech.units.__file__).with_name("README.md").read_text().partition("## Without torch")[2]
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "codes.py").write_text("import sys\nsys.modules['torch'] = None\n" + code)
    export(trained, tmp_path / "model.onnx")
    stereo = np.stack([voice(130.0, 0, 1.0, rate), voice(150.0, 1, 1.0, rate)], axis=1)
    soundfile.write(tmp_path / "speech.wav", stereo, rate)
    command = [sys.executable, "-W", "error", "codes.py", "model.onnx", "speech.wav"]
    lines = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.splitlines()
    codes = UnitExtractor(trained).extract(*audio.read(tmp_path / "speech.wav", 16000)).codes
    assert [int(line.split()[2]) for line in lines] == codes.tolist()
    assert lines[0].startswith("0.005 0.025 ")
    times = np.array([line.split()[:2] for line in lines], float)
    np.testing.assert_allclose(times.mean(axis=1), UnitInfo.of(trained).centres(len(codes)), atol=6e-4)
