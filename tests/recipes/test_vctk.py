"""The VCTK recipe on both releases."""

import soundfile
import vctk_tree
from recipe_runs import RECIPES, TINY, bash, check_results, copy_recipe, run_here, utterances

from sqspeech.config import ExperimentConfig, load_config
from sqspeech.data.data_dir import DataDir

COMMANDS = """\
# stage 0: Download
python -m data_prep.download vctk --cache downloads
# stage 1: Data preparation
python -m data_prep.vctk downloads/VCTK-Corpus-0.92.zip data/utterances --mic auto --hold-out utterances
# stage 2: Features (train)
sqspeech features data/utterances/train dump/utterances/published/train --config conf/published.yaml \
--jobs 4 --device auto
# stage 2: Features (dev)
sqspeech features data/utterances/dev dump/utterances/published/dev --config conf/published.yaml \
--jobs 4 --device auto
# stage 3: Training
sqspeech train dump/utterances/published exp/utterances/published --config conf/published.yaml --device auto
# stage 4: Units
sqspeech units exp/utterances/published/best.ckpt data/utterances/test -o exp/utterances/published/units \
--device auto
# stage 5: Conversion
sqspeech convert exp/utterances/published/best.ckpt data/utterances/test --to source --to p225 --to p226 \
-o exp/utterances/published/conversion --device auto
# stage 6: Evaluation
sqspeech evaluate exp/utterances/published/best.ckpt data/utterances/test -o exp/utterances/published/metrics.json \
--device auto
# stage 6: Vocoders
sqspeech compare-vocoders exp/utterances/published/best.ckpt data/utterances/test -o exp/utterances/published/vocoders \
--device auto
# stage 7: Report
sqspeech report exp/utterances/published -o exp/utterances/published/report.html
"""
TARGETS = ("source", "p225", "p226")


def test_the_stages():
    assert bash(RECIPES / "vctk", "--dry-run") == COMMANDS


def test_the_options_reach_the_commands():
    options = "--config=a --corpus=/my/VCTK --mic=2 --hold-out=prompts --measure=parallel --jobs=8 --device=cuda"
    options += " --judges=all"
    expected = COMMANDS.replace("published", "a").replace("utterances", "prompts").replace("--mic auto", "--mic 2")
    expected = expected.replace("downloads/VCTK-Corpus-0.92.zip", "/my/VCTK").replace("--jobs 4", "--jobs 8")
    judges = "--judge all --train data/prompts/train --judgements exp/judgements"
    expected = expected.replace("metrics.json", f"metrics.json --parallel {judges}").replace("auto", "cuda")
    expected = expected.replace("/vocoders --", "/vocoders --judge all --judgements exp/judgements --")
    assert bash(RECIPES / "vctk", "--dry-run", *options.split()) == expected


def test_the_configuration_is_the_published_one():
    assert load_config(RECIPES / "vctk/conf/published.yaml") == ExperimentConfig()


def test_092_from_its_archive_with_every_oddity(tmp_path, monkeypatch):
    recipe = copy_recipe("vctk", tmp_path)
    tree = vctk_tree.write_092(tmp_path / "tree", vctk_tree.recordings())
    vctk_tree.recording(tree, "p225_031", "1").write_bytes(b"")
    soundfile.write(vctk_tree.recording(tree, "p280_030", "1"), [0.0] * 48000, 48000)
    (tree / "wav48_silence_trimmed/p225/p225-099_mic1.flac").write_bytes(b"")
    vctk_tree.write_archive(tree, "0.92", recipe / "downloads")
    out = bash(recipe, "--stage", 1, "--stop-stage", 1, *TINY)
    for part in ("unreadable header: 1 (p225 1)", "unexpected name: 1 (p225 1)"):
        assert f"left out, {part}" in out
    for remark in ("from microphone 2: 1 (p362 1)", "utterances without a text: 12 (p315 12)"):
        assert remark in out
    run_here(recipe, monkeypatch, "--stage", 2, *TINY)
    dump, exp = recipe / "dump/utterances/tiny", recipe / "exp/utterances/tiny"
    sets = {name: utterances(recipe / "data/utterances" / name) for name in ("train", "dev", "test")}
    assert sum(map(len, sets.values())) == len(set().union(*sets.values()))
    assert set().union(*sets.values()) == {*vctk_tree.utt_ids("0.92")} - {"p225_031"}
    assert utterances(dump / "train") == sets["train"] - {"p280_030"}
    assert utterances(dump / "dev") == sets["dev"]
    assert "digital silence" in (dump / "train/skipped").read_text()
    converted = {(utt_id, target) for utt_id in sets["test"] for target in TARGETS}
    check_results(exp, sets["test"], converted, measured=len(sets["test"]))


def test_080_as_it_is_published(speech, tmp_path, monkeypatch):
    recipe = copy_recipe("vctk", tmp_path)
    corpus = speech / "vctk_sample/VCTK-Corpus"
    out = bash(recipe, "--stage", 1, "--stop-stage", 1, "--corpus", corpus, *TINY)
    assert "left out" not in out
    data = recipe / "data/utterances"
    everything = set().union(*(utterances(data / name) for name in ("train", "dev", "test")))
    assert everything == {path.stem for path in (corpus / "wav48").glob("*/*.wav")}
    test = DataDir.read(data / "test")
    kept = {utt_id for utt_id in utterances(data / "test") if utt_id[:4] in ("p225", "p226")}
    test.subset(kept).write(data / "test")
    run_here(recipe, monkeypatch, "--stage", 2, *TINY)
    converted = {(utt_id, target) for utt_id in kept for target in TARGETS}
    check_results(recipe / "exp/utterances/tiny", kept, converted, measured=2)
