"""A prior over units in the engine."""

import json
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from prior_units import CONFIG, train_prior, write_sets, write_units
from torch import nn

from sqspeech.checkpoint import read_checkpoint
from sqspeech.data.random_hash import hash_numbers
from sqspeech.errors import ConfigError, DataError
from sqspeech.priors.speakers import ConditionConfig
from sqspeech.priors.trained import Prior
from sqspeech.training import Trainer
from sqspeech.training.tasks.prior import PriorTask
from sqspeech.units import Contents, read

CPU = torch.device("cpu")
TASK = PriorTask(CONFIG)


@pytest.fixture(scope="module")
def units(tmp_path_factory) -> Path:
    return write_sets(tmp_path_factory.mktemp("units"))


def log(exp: Path) -> list[dict]:
    lines = [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "steps_per_second"} for line in lines]


def with_training(**values) -> type(CONFIG):
    return replace(CONFIG, training=replace(CONFIG.training, **values))


def test_it_trains_as_a_plain_loop_does(units, tmp_path):
    train_prior(tmp_path, units)
    torch.manual_seed(0)
    train, dev = TASK.open_data(units)
    model, windows = TASK.model(train), None
    windows = TASK.batches(model, train, CPU, "device", (0, 1))
    matrices = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}
    groups = [
        {"params": [p for p in model.parameters() if (id(p) in matrices) == decayed], "weight_decay": 0.1 * decayed}
        for decayed in (True, False)
    ]
    adam = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    bits = []
    for step in range(8):
        torch.manual_seed(hash_numbers(0, 0, step))
        (steps,) = windows.batch(windows.key(step))
        nats, real = model.nats(steps), steps[:, 1:, 0] >= 0
        durations = sum(int(row[1]) + 1 for row in steps[:, 1:].flatten(0, 1).tolist() if row[0] >= 0)
        bits.append(nats.sum().item() / durations / math.log(2))
        adam.zero_grad()
        (nats.sum() / real.sum()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in adam.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 2) * (0.5 if step >= 6 else 1)
        adam.step()
    content = read_checkpoint(tmp_path / "last.ckpt", CPU)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(content["model"][name], value, rtol=1e-4, atol=1e-5, msg=name)
    training = [line for line in log(tmp_path) if "bits_per_unit" in line]
    assert [line["bits_per_unit"] for line in training] == pytest.approx([sum(bits[:4]) / 4, sum(bits[4:]) / 4])
    assert training[-1]["learning_rate"] == 5e-4
    # On dev, each utterance alone.
    model.eval()
    found = 0.0
    for utterance in dev:
        steps = torch.from_numpy(TASK._coder(dev).encode(dev[utterance]))[None]
        found += model.nats(model.after_begin(steps)).sum().item()
    found /= math.log(2) * sum(len(dev[utterance]) for utterance in dev)
    (last,) = (line for line in log(tmp_path) if line["step"] == 8 and "dev_bits_per_unit" in line)
    assert last["dev_bits_per_unit"] == pytest.approx(found, rel=1e-5)
    assert last["dev_bits_per_second"] == pytest.approx(50 * found, rel=1e-5)
    assert last["dev_trigram_bits_per_unit"] > 0


@pytest.mark.parametrize("speakers", [False, True], ids=["any speaker", "speakers"])
def test_a_stopped_training_is_continued_to_the_same_bytes(speakers, tmp_path):
    units = write_sets(tmp_path / "units", speakers=("a", "b"))
    config = replace(CONFIG, condition=ConditionConfig(speakers=speakers))
    for exp, stops in (("straight", [8]), ("cut", [3, 5, 8])):
        for steps in stops:
            training = replace(config.training, steps=steps)
            train_prior(tmp_path / exp, units, replace(config, training=training))
    straight, cut = (read_checkpoint(tmp_path / exp / "last.ckpt", CPU) for exp in ("straight", "cut"))
    for name, value in straight["model"].items():
        assert value.numpy().tobytes() == cut["model"][name].numpy().tobytes(), name
    last = [[line for line in log(tmp_path / exp) if line["step"] == 8] for exp in ("straight", "cut")]
    assert last[0] == last[1]


def test_what_there_is_to_learn_is_learned(tmp_path):
    """The entropy of the chain is reached, nearly."""
    units = write_sets(tmp_path / "units", factor=8)
    config = with_training(steps=150, learning_rate=1e-2, validate_every=150, learning_rate_milestones=(100,))
    train_prior(tmp_path / "exp", units, config)
    (last,) = (line for line in log(tmp_path / "exp") if "dev_bits_per_unit" in line)
    entropy = -sum(p * math.log2(p) for p in (0.5, 0.45, 0.05))
    assert last["dev_bits_per_unit"] == pytest.approx(entropy, abs=0.15)
    assert last["dev_trigram_bits_per_unit"] == pytest.approx(entropy, abs=0.1)


def test_speakers_are_told_apart(tmp_path):
    """The units of one go up and those of the other go down."""
    units = write_sets(tmp_path / "units", factor=8, speakers=("up", "down"))
    config = with_training(steps=150, learning_rate=1e-2, validate_every=150, learning_rate_milestones=(100,))
    prior = Prior.load(train_prior(tmp_path / "exp", units, replace(config, condition=ConditionConfig(speakers=True))))
    dev = read(units / "dev")
    assert (prior.speakers.names, dev.speakers["u001"]) == (("down", "up"), "down")
    found = prior.nats(dev)
    for utterance, speaker in dev.speakers.items():
        condition, steps = torch.tensor([["down", "up"].index(speaker) + 1]), prior.coder.encode(dev[utterance])
        with torch.inference_mode():
            nats = prior.model.nats(prior.model.after_begin(torch.from_numpy(steps)[None]), condition)
        assert found[utterance] == pytest.approx(float(nats.sum()), rel=1e-5)
    swapped = {name: {"up": "down", "down": "up"}[speaker] for name, speaker in dev.speakers.items()}
    unknown = dict.fromkeys(dev, "someone else")
    nats = [sum(prior.nats(replace(dev, speakers=of)).values()) for of in (dev.speakers, unknown, swapped)]
    assert nats[0] + 1 < nats[1] < nats[2] - 1
    drawn = {name: prior.sample(1.0, count=20, speaker=name) for name in ("up", "down", None)}
    steps = {name: np.concatenate([np.diff(one.codes) % 6 for one in some]) for name, some in drawn.items()}
    assert np.mean(steps["up"] == 1) > 10 * np.mean(steps["up"] == 5)
    assert np.mean(steps["down"] == 5) > 10 * np.mean(steps["down"] == 1)
    streamed = np.concatenate(list(islice(prior.stream(speaker="up"), 50)))
    assert drawn["up"][0].codes.tolist() == streamed[:50].tolist()


def test_units_without_speakers_are_refused(units):
    with pytest.raises(DataError, match="u000: its speaker is not known; extract the units again"):
        PriorTask(replace(CONFIG, condition=ConditionConfig(speakers=True))).open_data(units)


@pytest.mark.parametrize(
    ("train", "dev", "trigram", "faults"),
    [
        (2.0, 2.1, 2.2, set()),
        (2.0, 2.4, 2.5, {"overfitted"}),
        (3.0, 3.0, 2.9, {"trigram"}),
        (None, 3.0, 2.9, {"trigram"}),
    ],
)
def test_faults_are_told_in_words(train, dev, trigram, faults):
    own = {} if train is None else {"bits_per_unit": train}
    found = TASK.warnings(None, own, {"dev_bits_per_unit": dev, "dev_trigram_bits_per_unit": trigram}, 3)
    assert found.keys() == faults
    assert all(f"{dev:.3f} bits a unit on dev" in text for text in found.values())
    assert not TASK.warnings(None, {}, {"dev_bits_per_unit": 3.0, "dev_trigram_bits_per_unit": 2.9}, 2)


@pytest.mark.parametrize(
    "options",
    [
        {"form": "textless", "contents": Contents(deduplicated=True, durations=True)},
        {"form": "npz", "stages": 2},
        {"form": "parquet"},
    ],
    ids=["textless", "stages", "parquet"],
)
def test_other_formats_and_several_stages_are_trained_on(options, tmp_path):
    units = write_sets(tmp_path / "units", **options)
    prior = Prior.load(train_prior(tmp_path / "exp", units, with_training(steps=2)))
    assert prior.coder.sizes == (6,) * options.get("stages", 1) + (4,)
    assert prior.info == read(units / "train").info
    (drawn,) = prior.sample(0.2, seed=1)
    assert drawn.codes.shape == ((10,) if "stages" not in options else (10, 2))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"checkpoint": "1" * 16}, "dev: units of the checkpoint 1{16}, but those of train are of 0{16}; extract both"),
        ({"codebook_size": 7}, "dev: units of the codebook size 7"),
        ({"smooth": 4.0}, "dev: units of the checkpoint 0{16}, smoothed at 4 nats, but those of train are of 0{16};"),
        ({"contents": Contents(deduplicated=True)}, "dev: deduplicated units without their durations"),
    ],
)
def test_units_that_do_not_fit_each_other_are_refused(change, reason, tmp_path):
    units = write_sets(tmp_path)
    write_units(units / "dev", 5, **change)
    with pytest.raises(DataError, match=reason):
        TASK.open_data(units)


def test_a_folder_without_units_and_other_units_on_resuming_are_refused(units, tmp_path):
    (tmp_path / "empty/train").mkdir(parents=True)
    with pytest.raises(DataError, match="train: no units here; make them with"):
        TASK.open_data(tmp_path / "empty")
    train_prior(tmp_path / "exp", units, with_training(steps=1))
    others = write_sets(tmp_path / "others", checkpoint="1" * 16)
    with pytest.raises(DataError, match="was trained on units of the checkpoint 0{16}, these are of 1{16}"):
        Trainer(CONFIG, *TASK.open_data(others), tmp_path / "exp", CPU)


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(ConfigError, match="model: width: 18 is no multiple of twice the heads, 8"):
        type(CONFIG).from_dict({"model": {"width": 18}}, "test")
