import json

import numpy as np
import pytest
import torch

from sqspeech.checkpoint import TrainedModel
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import DataError
from sqspeech.evaluation.evaluate import evaluate
from sqspeech.evaluation.metrics.reconstruction import measure_reconstruction


@pytest.fixture(scope="module")
def trained(experiment) -> TrainedModel:
    return TrainedModel.load(experiment.checkpoint)


@pytest.fixture(scope="module")
def data(experiment) -> DataDir:
    return DataDir.read(experiment.root / "corpus/test")


def test_reconstruction_equals_the_definition(trained, data):
    """Sum of (x̂ − mel[1:−1])² · 80² over 80 · Σ T, in loops over utterances."""
    pairs = []
    error, frames, everything = 0.0, 0, []
    for utterance in data:
        mel = trained.features(utterance.read(16000))
        speaker = trained.speaker_index(utterance.spk_id)
        pairs.append((mel, speaker))
        wanted = mel[0, : mel.shape[1] // 2 * 2][1:-1].double().numpy()
        with torch.inference_mode():
            decoded = trained.model.decode(trained.model.encode(mel), speaker)[0].double().numpy()
        error += ((decoded - wanted) ** 2).sum() * 6400
        frames += len(wanted)
        everything.append(wanted)
    result = measure_reconstruction(trained.model, pairs, 80.0)
    assert result.mse_db2 == pytest.approx(error / (80 * frames), rel=1e-6)
    assert result.feature_variance_db2 == pytest.approx(np.concatenate(everything).var(0).mean() * 6400, rel=1e-6)


def test_all_figures_are_plain_values(trained, data):
    metrics, failures = evaluate(trained, data, parallel=True, invariance=True)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert not failures.reasons
    assert sum(metrics["usage"]) == len(data) * 39
    assert metrics["codebook_size"] == len(metrics["usage"]) == 8
    assert metrics["utterances"] == 8
    assert metrics["seconds"] == pytest.approx(8 * 0.8)
    assert metrics["bitrate"] <= 50 * 3
    assert metrics["parallel"]["pairs"] == 8
    assert len(metrics["unit_edit_distance"]) == 6


def test_abx_beside_mfcc(trained, data, tmp_path):
    lines = ["#file onset offset #phone prev-phone next-phone speaker"]
    for utterance in data:
        for start, phone in ((0.1, "A"), (0.3, "B"), (0.5, "A")):
            lines.append(f"{utterance.utt_id} {start} {start + 0.15:.2f} {phone} X Y {utterance.spk_id}")
    (tmp_path / "x.item").write_text("\n".join(lines) + "\n")
    metrics, _ = evaluate(trained, data, item=tmp_path / "x.item")
    for name in ("abx_within", "abx_across", "abx_within_mfcc", "abx_across_mfcc"):
        assert 0 <= metrics[name] <= 100


def test_damaged_utterances_and_unknown_speakers_are_skipped_by_name(trained, data, tmp_path):
    extra = (
        Utterance(utt_id="f1-bad", spk_id="f1", path=tmp_path / "none.wav"),
        Utterance(utt_id="z-1", spk_id="z", path=data.utterances[0].path),
    )
    metrics, failures = evaluate(trained, DataDir(data.utterances + extra))
    assert metrics["utterances"] == 8
    assert failures.reasons.keys() == {"f1-bad", "z-1"}
    assert "no speaker z" in failures.reasons["z-1"]


def test_nothing_usable_is_an_error(trained, tmp_path):
    data = DataDir((Utterance(utt_id="f1-bad", spk_id="f1", path=tmp_path / "none.wav"),))
    with pytest.raises(DataError, match=r"no usable input; the first of 1, f1-bad: .*no such audio file"):
        evaluate(trained, data)


def test_without_shared_texts_conversion_cannot_be_measured(trained, data):
    lonely = data.subset(u.utt_id for u in data if u.spk_id == "f1")
    with pytest.raises(DataError, match="share a text"):
        evaluate(trained, lonely, parallel=True)
