"""Input that does not fit the model or the configuration: refused in one line, with nothing written."""

import sys
from pathlib import Path

from corpus import CONFIG


def test_an_unknown_speaker_is_answered_with_the_nearest(run, experiment):
    outcome = run("convert", experiment.checkpoint, experiment.root / "corpus/test", "--to", "m3", "-o", "out")
    assert outcome.status == 1
    assert "no speaker m3; the nearest of its 4 are m" in outcome.error
    assert not Path("out").exists()


def test_an_unknown_key_is_answered_with_the_nearest(run, experiment):
    arguments = ["features", experiment.root / "corpus/dev", "dump", "--config", experiment.root / "c.yaml"]
    outcome = run(*arguments, "--set", "features.hop_lenght=80")
    assert outcome.status == 1
    assert "unknown key features.hop_lenght; the nearest one is features.hop_length" in outcome.error
    assert not Path("dump").exists()


def test_features_that_do_not_fit_the_configuration(run, experiment):
    arguments = ["train", experiment.root / "dump", "exp", "--config", experiment.root / "c.yaml"]
    outcome = run(*arguments, "--set", "features.n_mels=40")
    assert outcome.status == 1
    assert "made with features.n_mels = 80, but 40 is wanted; run `sqspeech features`" in outcome.error
    assert not Path("exp").exists()


def test_what_is_no_checkpoint(run, experiment):
    for path, reason in ((experiment.root / "c.yaml", "no checkpoint"), ("none.ckpt", "No such file")):
        outcome = run("speakers", path)
        assert outcome.status == 1
        assert reason in outcome.error


def test_units_of_a_model_without_a_codebook(run, experiment):
    arguments = ["train", experiment.root / "dump", "exp", "--config", "vae.yaml", "--set", "training.steps=1"]
    without = CONFIG.replace("{codebook_size: 8, codebook_dim: 4}", "{name: gaussian_vae, latent_dim: 4}")
    Path("vae.yaml").write_text(without)
    assert run(*arguments).status == 0
    outcome = run("units", "exp/best.ckpt", experiment.root / "corpus/test", "-o", "u.txt")
    assert outcome.status == 1
    assert "the quantizer gaussian_vae has no codebook and so no units" in outcome.error
    assert not Path("u.txt").exists()


def test_utterances_shorter_than_a_crop(run, experiment):
    arguments = ["train", experiment.root / "dump", "exp", "--config", experiment.root / "c.yaml"]
    outcome = run(*arguments, "--set", "crops.frames=80")
    assert outcome.status == 1
    assert "no utterance reaches the 82 frames of a crop with its context (the longest of 12 has 81)" in outcome.error


def test_an_unknown_device(run, experiment):
    outcome = run("units", experiment.checkpoint, experiment.root / "corpus/test", "-o", "u", "--device", "cuda:99")
    assert outcome.status == 1
    assert "--device cuda:99" in outcome.error


def test_an_interruption_is_said(run, experiment, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sqspeech.units.extract_corpus", interrupted)
    outcome = run("units", experiment.checkpoint, experiment.root / "corpus/dev", "-o", tmp_path / "u")
    assert outcome.status == 130
    assert outcome.err == "interrupted; run the same command to go on\n"


def test_a_closed_standard_input_is_one_line(run, experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    outcome = run("units", experiment.checkpoint, "-", "-o", tmp_path / "u")
    assert outcome.status == 1
    assert "standard input is closed" in outcome.error
