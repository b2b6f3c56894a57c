import numpy as np
import pytest
import torch
import yaml
from corpus import CONFIG, write_corpus

from sqspeech.config import ExperimentConfig
from sqspeech.data import frame_cache
from sqspeech.data.crops import CropConfig, Crops
from sqspeech.data.data_dir import DataDir
from sqspeech.data.feature_extraction import extract_features
from sqspeech.data.feature_store import FeatureStore
from sqspeech.data.frame_cache import MappedFrames, ResidentFrames, load_frames

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> FeatureStore:
    root = tmp_path_factory.mktemp("packed")
    config = ExperimentConfig.from_dict(yaml.safe_load(CONFIG), "test")
    extract_features(DataDir.read(write_corpus(root / "corpus", range(4))), root / "dump", config.features)
    return FeatureStore.open(root / "dump")


def starts(store: FeatureStore) -> list[int]:
    return [0, *np.cumsum(store.lengths())[:-1].tolist()]


@pytest.mark.parametrize("residency", ["device", "host", "disk"])
def test_every_residency_holds_the_features_bit_for_bit(store, residency):
    frames = load_frames(store, residency, "float32", CPU)
    assert frames.lengths.tolist() == store.lengths()
    for start, utterance in zip(starts(store), store.data, strict=True):
        mel = store.read(utterance.utt_id)
        # The whole utterance, and its last frames: an offset that is off by one reaches beyond.
        assert np.array_equal(frames.gather(torch.tensor([start]), len(mel))[0].numpy(), mel)
        last = frames.gather(torch.tensor([start + len(mel) - 5, start]), 5).numpy()
        assert np.array_equal(last, np.stack([mel[-5:], mel[:5]]))


@pytest.mark.parametrize("sampling", ["utterance", "duration", "speaker"])
def test_every_residency_draws_the_same_batches(store, sampling):
    config = CropConfig(batch_size=16, frames=8, sampling=sampling)
    speakers = [store.data.speakers.index(utterance.spk_id) for utterance in store.data]
    batches = []
    for residency in ("device", "host", "disk"):
        crops = Crops(load_frames(store, residency, "float32", CPU), speakers, config, seed=3)
        batches.append([crops.batch(crops.key(step)) for step in range(5)])
    for other in batches[1:]:
        for (mel, speaker), (mel_too, speaker_too) in zip(batches[0], other, strict=True):
            assert torch.equal(mel, mel_too)
            assert torch.equal(speaker, speaker_too)


@pytest.mark.parametrize(("storage", "error"), [("float16", 2**-11), ("bfloat16", 2**-8)])
def test_half_precision_rounds_the_features_and_halves_their_memory(store, storage, error):
    whole, half = (load_frames(store, "device", kind, CPU) for kind in ("float32", storage))
    assert isinstance(whole, ResidentFrames)
    assert isinstance(half, ResidentFrames)
    assert half.frames.nbytes * 2 == whole.frames.nbytes
    first, rounded = (frames.gather(torch.tensor([3]), 20) for frames in (whole, half))
    assert rounded.dtype == torch.float32
    assert not torch.equal(first, rounded)
    assert (first - rounded).abs().max() <= error * first.abs().max()


@pytest.mark.parametrize(("free", "kind"), [(10**12, ResidentFrames), (1, MappedFrames)])
def test_auto_takes_the_memory_where_there_is_room_and_the_disk_where_not(store, monkeypatch, free, kind):
    monkeypatch.setattr(frame_cache, "_available_memory", lambda: free)
    assert type(load_frames(store, "auto", "float32", CPU)) is kind


def test_auto_leaves_room_for_the_other_processes_of_the_host(store, monkeypatch):
    size = 4 * 80 * sum(store.lengths())
    monkeypatch.setattr(frame_cache, "_available_memory", lambda: 4 * size)
    assert isinstance(load_frames(store, "auto", "float32", CPU, sharers=2), ResidentFrames)
    assert isinstance(load_frames(store, "auto", "float32", CPU, sharers=3), MappedFrames)


def test_each_says_what_it_takes(store):
    said = load_frames(store, "device", "float32", CPU).describe()
    # What passes through while it loads, and what the lists of 16 utterances take, beside the frames.
    size = (4 * 80 * sum(store.lengths()) + 2 * frame_cache.CHUNK + 16 * frame_cache.LISTED) / 1e9
    assert said == f"{size:.2f} GB of features (float32), loading and lists included, in the memory of cpu"
    assert "mapped from disk, 0.00 GB of lists in memory" in load_frames(store, "disk", "float32", CPU).describe()
