"""Commands `generate` and `score`, and the same from Python: what they write, and what they refuse."""

import csv
import json
import math
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from commands import run
from corpus import voice
from prior_units import CONFIG, train_prior, write_units

from sqspeech import Codec, Prior
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import SqspeechError
from sqspeech.evaluation.units.evaluate import evaluate_units
from sqspeech.priors.sampling import Sampling
from sqspeech.units import read


@pytest.fixture(scope="module")
def prior(experiment, tmp_path_factory) -> Path:
    """A prior of the units of `experiment`, beside these in units/, and a recording a.wav."""
    root = tmp_path_factory.mktemp("prior")
    for name in ("train", "dev"):
        run("units", experiment.checkpoint, experiment.root / "corpus" / name, "-o", root / "units" / name)
    soundfile.write(root / "a.wav", 0.5 * voice(150.0, 7), 16000)
    soundfile.write(root / "long.wav", np.tile(0.5 * voice(150.0, 7), 12), 16000)
    return train_prior(root / "exp", root / "units", CONFIG)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_samples_are_the_same_for_a_seed(experiment, prior, tmp_path):
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        out = run("generate", prior, experiment.checkpoint, "-o", tmp_path / name, "--to", "f1", "--seconds", "0.5",
                  "--count", "3", "--seed", seed)  # fmt: skip
        assert "3 recordings, listed in" in out
    one, again, other = ([path.read_bytes() for path in sorted((tmp_path / name).glob("*.wav"))] for name in
                         ("one", "again", "other"))  # fmt: skip
    assert len(set(one)) == 3
    assert one == again
    assert not set(one) & set(other)
    rows = read_rows(tmp_path / "one/manifest.tsv")
    assert [row["output"] for row in rows] == [f"sample-{number}-to-f1.wav" for number in (1, 2, 3)]
    about = json.loads((tmp_path / "one/manifest.json").read_text())
    assert (about["seed"], about["temperature"], about["prior"]) == ("1", "1", Prior.load(prior).digest)
    units = read(tmp_path / "one/units")
    samples, rate = Codec.load(experiment.checkpoint).decode(units["sample-2"], "f1")
    found, found_rate = soundfile.read(tmp_path / "one/sample-2-to-f1.wav", dtype="float32")
    assert (rate, len(units["sample-2"])) == (found_rate, 25)
    np.testing.assert_allclose(found, samples, atol=2e-4)


def test_a_continuation_begins_with_the_units_of_its_prompt(experiment, prior, tmp_path):
    run("generate", prior, experiment.checkpoint, "-o", tmp_path, "--to", "m1", "--seconds", "0.3", "--count", "2",
        "--prompt", prior.parents[1] / "a.wav")  # fmt: skip
    before, units = Codec.load(experiment.checkpoint).encode(prior.parents[1] / "a.wav").codes, read(tmp_path / "units")
    assert sorted(units) == ["a-1", "a-2"]
    for found in units.units.values():
        assert found.codes[: len(before)].tolist() == before.tolist()
        assert len(found) == len(before) + 15
    assert {(row["prompt"], row["prompt_seconds"]) for row in read_rows(tmp_path / "manifest.tsv")} == {
        ("a", str(len(before) / 50))
    }


def test_a_stream_gives_the_units_of_the_first_sample(experiment, prior):
    loaded, sampling = Prior.load(prior), Sampling(temperature=0.8)
    prompt = Codec.load(experiment.checkpoint).encode(prior.parents[1] / "a.wav")
    first, _ = loaded.sample(1.0, count=2, seed=3, prompt=prompt, sampling=sampling)
    streamed = np.concatenate(list(islice(loaded.stream(seed=3, prompt=prompt, sampling=sampling), 50)))
    assert np.concatenate([prompt.codes, streamed])[: len(first)].tolist() == first.codes.tolist()


def test_scores_are_sums_over_the_steps(prior, tmp_path):
    folder = prior.parents[1] / "units/dev"
    run("score", prior, folder, "-o", tmp_path / "scores.tsv")
    assert (tmp_path / "scores.tsv").read_text() == run("score", prior, folder)
    rows, units, loaded = read_rows(tmp_path / "scores.tsv"), read(folder), Prior.load(prior)
    assert [row["utt_id"] for row in rows] == list(units)
    for row in rows:
        codes = units[row["utt_id"]].codes
        with torch.inference_mode():
            steps = torch.from_numpy(loaded.coder.encode(units[row["utt_id"]]))[None]
            nats = float(loaded.model.nats(loaded.model.after_begin(steps)).sum())
        assert float(row["nats"]) == pytest.approx(nats, abs=2e-3)
        assert float(row["bits_per_unit"]) == pytest.approx(nats / math.log(2) / len(codes), abs=1e-4)
        assert float(row["bits_per_second"]) == pytest.approx(50 * nats / math.log(2) / len(codes), abs=1e-2)


def test_the_learned_bitrate_is_the_scores_a_second(experiment, prior):
    units, loaded = read(prior.parents[1] / "units/dev"), Prior.load(prior)
    metrics = evaluate_units({"units": units}, DataDir.read(experiment.root / "corpus/dev"), priors=[loaded]).metrics
    bits = sum(loaded.nats(units).values()) / math.log(2)
    assert metrics["systems"]["units"]["learned_bitrate"] == pytest.approx(bits / metrics["seconds"])


def test_what_does_not_belong_together_is_refused_in_one_line(experiment, prior, tmp_path):
    root, units = prior.parents[1], tmp_path / "units"
    write_units(units, 3, checkpoint="1" * 16)
    write_units(tmp_path / "sizes", 3, checkpoint=Prior.load(prior).info.checkpoint)
    (tmp_path / "empty").mkdir()
    generate = ("generate", prior, experiment.checkpoint, "-o", tmp_path / "out", "--to", "f1")
    for arguments, reason in (
        (
            ("score", prior, units),
            "units of the checkpoint 1{16}, but the prior was trained on those of the checkpoint",
        ),
        (("score", prior, tmp_path / "sizes"), "units of the codebook size 6, but the prior was .* size 8"),
        (("score", prior, tmp_path / "empty"), "empty: no units here"),
        (("score", experiment.checkpoint, units), "best.ckpt: is no prior over units"),
        (("units", prior, root / "a.wav", "-o", tmp_path / "u"), "a checkpoint of the task prior, not of a codec"),
        ((*generate, "--temperature", "0"), "a temperature of 0"),
        ((*generate, "--seconds", "-1"), "-1 s of speech to generate"),
        ((*generate[:-1], "f3"), "the model has no speaker f3; the nearest of its 4 are f"),
        (
            (*generate, "--prompt", root / "long.wav"),
            "no usable input; .* long: a prompt of .* steps .* give a shorter one",
        ),
    ):
        with pytest.raises(SqspeechError, match=reason) as caught:
            run(*arguments)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()


def test_a_prior_of_another_model_generates_nothing(experiment, tmp_path):
    for name in ("train", "dev"):
        write_units(tmp_path / "units" / name, 3, checkpoint="1" * 16)
    other = train_prior(tmp_path / "exp", tmp_path / "units")
    with pytest.raises(SqspeechError, match="the units are of the checkpoint 1{16}, this one is"):
        run("generate", other, experiment.checkpoint, "-o", tmp_path / "out", "--to", "f1")
    with pytest.raises(
        SqspeechError, match="the prior .* is of units of the checkpoint 1{16}, and those of units are of"
    ):
        evaluate_units(
            {"units": read(_own_units(experiment, tmp_path))},
            DataDir.read(experiment.root / "corpus/dev"),
            priors=[Prior.load(other)],
        )


def _own_units(experiment, tmp_path: Path) -> Path:
    run("units", experiment.checkpoint, experiment.root / "corpus/dev", "-o", tmp_path / "own")
    return tmp_path / "own"
