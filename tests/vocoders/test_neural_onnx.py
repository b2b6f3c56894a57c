"""The exported vocoder in onnxruntime against the vocoder in torch."""

import json
import re
import subprocess
import sys
from pathlib import Path

import kaldiio
import numpy as np
import onnxruntime
import pytest
import soundfile
import torch
from corpus import voice

from sqspeech.checkpoint import TrainedModel, build_model
from sqspeech.config import ExperimentConfig
from sqspeech.conversion.export import build, export_vocoder
from sqspeech.errors import ConfigError
from sqspeech.features import LogMel
from sqspeech.pitch import Excitation, track_f0
from sqspeech.vocoders.base import Vocoder
from sqspeech.vocoders.griffin_lim import GriffinLim
from sqspeech.vocoders.neural import NeuralVocoder
from sqspeech.vocoders.source_filter import SourceFilter, SourceFilterConfig

GUIDE = Path(__file__).parents[2] / "docs/guides/conversion.md"


def speaking(*, overlap: int = 4, **features: object) -> TrainedModel:
    """An untrained model with a small vocoder of random weights."""
    torch.manual_seed(0)
    sections = {"encoder": {"width": 8}, "decoder": {"width": 8}, "features": features}
    config = ExperimentConfig.from_dict(sections, "test")
    size = SourceFilterConfig(width=16, blocks=2, overlap=overlap)
    network = SourceFilter(size, config.features)
    torch.nn.init.normal_(network.last.weight, std=0.1)
    return with_vocoder(config, NeuralVocoder(config.features, network))


def with_vocoder(config: ExperimentConfig, vocoder: Vocoder | None) -> TrainedModel:
    return TrainedModel(
        config=config,
        speakers=["a"],
        pitch={},
        model=build_model(config, 1).eval(),
        log_mel=LogMel(config.features),
        device=torch.device("cpu"),
        digest="0123456789abcdef",
        vocoder=vocoder,
    )


class Exported:
    """The graph of a model's vocoder."""

    def __init__(self, trained: TrainedModel) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        content = build(trained).SerializeToString()
        self.trained = trained
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def check(self, mel: np.ndarray, f0: np.ndarray) -> np.ndarray:
        """Assert that the samples are those of torch; return them."""
        (found,) = self.session.run(None, {"mel": mel, "f0": f0.astype(np.float32)})
        excitation = Excitation(f0=f0, aperiodicity=np.zeros((len(f0), 0)))
        expected = self.trained.vocoder(torch.from_numpy(mel), excitation).numpy()
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
        return found

    def analysed(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        config = self.trained.config.features
        mel = self.trained.log_mel(torch.from_numpy(samples)).numpy()
        return mel, track_f0(samples, config.sample_rate, config.hop_length)


@pytest.fixture(scope="module")
def exported() -> Exported:
    return Exported(speaking())


@pytest.fixture(scope="module")
def spoken(exported) -> tuple[np.ndarray, np.ndarray]:
    """Log-mel and F0 of more frames than torch computes at once."""
    return exported.analysed(np.concatenate([voice(f0, place) for place, f0 in enumerate(np.linspace(90, 300, 14))]))


@pytest.mark.parametrize("frames", [2, 3, 4, 50, 1025, 1121])
def test_any_number_of_frames(exported, spoken, frames):
    mel, f0 = (values[:frames] for values in spoken)
    assert len(mel) == frames
    assert len(exported.check(mel, f0)) == (frames - 1) * 160


def test_frames_without_pitch_and_at_the_edges_of_speech(exported, spoken):
    mel, f0 = (values[:200] for values in spoken)
    exported.check(mel, np.zeros(200))
    exported.check(mel, np.where(np.arange(200) % 7 < 3, f0, 0))
    # Harmonics that reach half the sample rate, and pulses that lie on samples.
    exported.check(mel, np.repeat([100.0, 125.0, 400.0, 1000.0], 50))


def test_silence_is_silent(exported, spoken):
    mel, f0 = (values[:200].copy() for values in spoken)
    mel[100:] = -0.25
    assert exported.check(mel, f0)[:16000].any()
    assert not exported.check(np.full_like(mel, -0.25), f0).any()


@pytest.mark.parametrize(
    "features",
    [
        {"sample_rate": 22050, "n_fft": 1024, "hop_length": 256, "win_length": 1024, "n_mels": 40},
        {"preemphasis": 0.0, "top_db": 60.0, "hop_length": 161},
    ],
    ids=str,
)
def test_other_features_and_another_overlap(features):
    exported = Exported(speaking(overlap=6, **features))
    exported.check(*exported.analysed(voice(150.0, 0, rate=exported.trained.config.features.sample_rate)))


def test_real_speech(exported, speech):
    path = min((speech / "librispeech28").rglob("*.flac"), key=lambda path: path.stat().st_size)
    exported.check(*exported.analysed(soundfile.read(path, dtype="float32")[0]))


def test_the_noise_begins_again_as_in_torch(monkeypatch, spoken):
    monkeypatch.setattr("sqspeech.vocoders.neural.NOISE_PERIOD", 4096)
    torch.manual_seed(0)
    noise = torch.randn(4096)
    monkeypatch.setattr("sqspeech.vocoders.neural._fixed_noise", lambda: noise)
    mel, f0 = (values[:100] for values in spoken)
    Exported(speaking()).check(mel, f0)


def test_the_file_has_what_a_caller_needs(tmp_path):
    trained = speaking()
    export_vocoder(trained, tmp_path / "vocoder.onnx")
    about = onnxruntime.InferenceSession(tmp_path / "vocoder.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(about.pop("features"))["n_mels"] == 80
    assert about.pop("version")
    assert about == {
        "sample_rate": "16000",
        "hop_length": "160",
        "vocoder": "neural",
        "checkpoint": "0123456789abcdef",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["vocoder.onnx"]


def test_a_model_without_a_vocoder_or_with_one_of_no_graph(tmp_path):
    config = ExperimentConfig.from_dict({}, "test")
    for vocoder, words in ((None, "sqspeech attach-vocoder"), (GriffinLim(config.features), "griffin_lim has no ONNX")):
        with pytest.raises(ConfigError, match=words):
            export_vocoder(with_vocoder(config, vocoder), tmp_path / "vocoder.onnx")
    assert not list(tmp_path.iterdir())


def test_the_example_needs_no_torch(tmp_path):
    trained = speaking()
    (code,) = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "vocode.py").write_text("import sys\nsys.modules['torch'] = None\n" + code)
    export_vocoder(trained, tmp_path / "vocoder.onnx")
    samples = voice(130.0, 0, 1.0)
    soundfile.write(tmp_path / "speech.wav", samples, 16000)
    mel = trained.log_mel(torch.from_numpy(samples)).numpy()
    kaldiio.save_ark(str(tmp_path / "feats.ark"), {"a-1": mel}, scp=str(tmp_path / "feats.scp"))
    command = ["vocode.py", "vocoder.onnx", "feats.scp", "a-1", "speech.wav", "out.wav"]
    ignored = ["-W", "error", "-W", "ignore:pkg_resources is deprecated:UserWarning"]
    subprocess.run([sys.executable, *ignored, *command], cwd=tmp_path, check=True)
    made, rate = soundfile.read(tmp_path / "out.wav")
    assert (len(made), rate) == (16000, 16000)
    assert np.abs(made).max() > 0.01
