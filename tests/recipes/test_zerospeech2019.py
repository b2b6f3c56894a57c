"""The ZeroSpeech 2019 recipe in both languages, with and without the published lists."""

import re
import zipfile

import pytest
import zerospeech_tree
from recipe_runs import RECIPES, TINY, bash, check_results, copy_recipe, run_here, utterances

from sqspeech.config import ExperimentConfig, load_config

COMMANDS = """\
# stage 0: Download
python -m data_prep.download zerospeech2019 --corpus downloads/2019
# stage 1: Data preparation
python -m data_prep.zerospeech2019 downloads/2019 data/english --language english
# stage 2: Features (train)
sqspeech features data/english/train dump/english/published/train --config conf/published.yaml --jobs 4 --device auto
# stage 2: Features (dev)
sqspeech features data/english/dev dump/english/published/dev --config conf/published.yaml --jobs 4 --device auto
# stage 3: Training
sqspeech train dump/english/published exp/english/published --config conf/published.yaml --device auto
# stage 4: Units
sqspeech units exp/english/published/best.ckpt data/english/test -o exp/english/published/units --device auto
# stage 5: Conversion
sqspeech convert exp/english/published/best.ckpt data/english/conversion --to=V001 --to=V002 \
-o exp/english/published/conversion --device auto
# stage 5: Submission
sqspeech submit exp/english/published/best.ckpt data/english -o exp/submission/published --language english \
--author Anonymous --affiliation Unknown --device auto
# stage 6: Evaluation
sqspeech evaluate exp/english/published/best.ckpt data/english/mse -o exp/english/published/metrics.json --device auto
# stage 7: Report
sqspeech report exp/english/published -o exp/english/published/report.html
"""


def test_the_stages():
    assert bash(RECIPES / "zerospeech2019", "--dry-run") == COMMANDS
    assert bash(RECIPES / "zerospeech2019", "--dry-run", "--lists", "") == COMMANDS


def test_the_options_reach_the_commands():
    options = ("--config=a", "--language=surprise", "--corpus=/my/zs", "--lists=/my/zs lists", "--jobs=8")
    options += ("--author=A. Uthor",)
    expected = COMMANDS.replace("english", "surprise").replace(" --to=V002", "").replace("downloads/2019", "/my/zs")
    prepare = "data/surprise --language surprise"
    expected = expected.replace(f"{prepare}\n", rf"{prepare} --lists /my/zs\ lists" + "\n")
    expected = expected.replace("Anonymous", r"A.\ Uthor")
    expected = expected.replace("published", "a").replace("--jobs 4", "--jobs 8").replace("auto", "cuda")
    assert bash(RECIPES / "zerospeech2019", "--dry-run", *options, "--device", "cuda") == expected


def test_the_configuration_is_the_published_one():
    assert load_config(RECIPES / "zerospeech2019/conf/published.yaml") == ExperimentConfig()


def test_the_download_says_whom_to_ask(tmp_path):
    recipe = copy_recipe("zerospeech2019", tmp_path)
    out = bash(recipe, "--stop-stage", 0)
    assert "https://zerospeech.com" in out
    assert "downloads/2019 lacks english/train/unit." in out


@pytest.fixture
def recipe(tmp_path):
    """The recipe with both languages where stage 0 says that they belong."""
    recipe = copy_recipe("zerospeech2019", tmp_path)
    for language in zerospeech_tree.VOICES:
        zerospeech_tree.write_tree(recipe / "downloads/2019", language)
    return recipe


def test_english_with_lists(recipe, tmp_path, monkeypatch):
    root = recipe / "downloads/2019/english"
    published = zerospeech_tree.lists_for(root)
    published["synthesis"].pop()
    (root / "test/S002_0000005000.wav").write_bytes(b"")
    gone = published["train"][0][0].removeprefix("english/")
    (root / f"{gone}.wav").unlink()
    lists = zerospeech_tree.write_lists(published, tmp_path / "my lists")
    out = bash(recipe, "--stop-stage", 1, "--lists", lists, *TINY)
    assert "downloads/2019: the ZeroSpeech 2019 corpus is there." in out
    assert re.search(r"^left out, unreadable or empty: 1 \(S002 1\)$", out, re.MULTILINE)
    assert re.search(r"^left out, listed but not on disk: 1 \(S015 1\)$", out, re.MULTILINE)
    run_here(recipe, monkeypatch, "--stage", 2, *TINY)
    data, exp = recipe / "data/english", recipe / "exp/english/tiny"
    listed = {path.rpartition("/")[2] for *_, path in published["train"]} - {gone.rpartition("/")[2]}
    assert utterances(data / "train") | utterances(data / "dev") == listed
    to_convert = {path.rpartition("/")[2] for path, _ in published["synthesis"]} - {"S002_0000005000"}
    converted = {(utt_id, voice) for utt_id in to_convert for voice in ("V001", "V002")}
    check_results(exp, utterances(data / "test"), converted, measured=len(published["mse_evaluation"]))
    listed_voices = {path.rpartition("/")[2]: voice for path, voice in published["synthesis"]}
    names = {f"{listed_voices[utt_id]}_{utt_id.partition('_')[2]}.wav" for utt_id in to_convert}
    check_submission(recipe, "english", utterances(data / "test"), names)


def test_surprise_without_lists(recipe, monkeypatch):
    out = bash(recipe, "--stop-stage", 1, "--language", "surprise", *TINY)
    assert "training recordings not in vads.txt, so used whole: 4 of 16" in out
    assert "left out" not in out
    run_here(recipe, monkeypatch, "--stage", 2, "--language", "surprise", *TINY)
    root, data = recipe / "downloads/2019/surprise", recipe / "data/surprise"
    test = {path.stem for path in (root / "test").iterdir()}
    assert utterances(data / "test") == test
    converted = {(utt_id, "V001") for utt_id in test}
    measured = len(list((root / "train/parallel/voice").iterdir()))
    check_results(recipe / "exp/surprise/tiny", test, converted, measured)
    check_submission(recipe, "surprise", test, {f"V001_{utt_id.partition('_')[2]}.wav" for utt_id in test})


def check_submission(recipe, language: str, in_units: set[str], wavs: set[str]) -> None:
    with zipfile.ZipFile(recipe / "exp/submission/tiny.zip") as archive:
        names = set(archive.namelist())
    units = {f"{utt_id}.txt" for utt_id in in_units}
    assert names == {"metadata.yaml", "2019/metadata.yaml", *(f"2019/{language}/test/{n}" for n in units | wavs)}
