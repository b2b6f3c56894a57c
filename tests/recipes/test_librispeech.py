"""The recipe for real speech: its stages, its configurations, and its sets on the recordings where they are."""

from itertools import combinations

import pytest
from recipe_runs import RECIPES, bash, copy_recipe, utterances

from sqspeech.config import load_config

RECIPE = RECIPES / "librispeech"
COMMANDS = """\
# stage 1: Data preparation
python -m data_prep.split C data --unseen 1088 --unseen 118 --unseen 3526 --unseen 3664
# stage 1: Pairs
python -m data_prep.pairs data/test data/pairs
# stage 2: Features (train)
sqspeech features data/train dump/train --config conf/iv.yaml --jobs 2
# stage 2: Features (dev)
sqspeech features data/dev dump/dev --config conf/iv.yaml --jobs 2
# stage 3: Training
sqspeech train dump exp/iv --config conf/iv.yaml --device cpu
# stage 4: Units
sqspeech units exp/iv/best.ckpt data/test -o exp/iv/units --format kaldi --format npz --vectors --soft --continuous \
--jobs 2 --device cpu
# stage 4: Units (unseen speakers)
sqspeech units exp/iv/best.ckpt data/unseen -o exp/iv/unseen --format npz --vectors --soft --continuous --jobs 2 \
--device cpu
# stage 4: Units (train)
sqspeech units exp/iv/best.ckpt data/train -o exp/iv/prior/units/train --jobs 2 --device cpu
# stage 4: Units (dev)
sqspeech units exp/iv/best.ckpt data/dev -o exp/iv/prior/units/dev --jobs 2 --device cpu
# stage 4: Prior
sqspeech train exp/iv/prior/units exp/iv/prior --config conf/prior.yaml --device cpu
# stage 5: Conversion
sqspeech convert exp/iv/best.ckpt data/test --to source --to 163 --to 1867 --to 1737 --to 19 -o exp/iv/conversion \
--device cpu
# stage 5: Generated speech
sqspeech generate exp/iv/prior/best.ckpt exp/iv/best.ckpt -o exp/iv/generated --to 19 --device cpu
# stage 6: Evaluation
sqspeech evaluate exp/iv/best.ckpt data/test -o exp/iv/metrics.json --item data/test/phones.item \
--conversion data/pairs --train data/train --device cpu
# stage 6: Evaluation of units
sqspeech evaluate-units exp/iv/units --data data/test --item data/test/phones.item --alignment C/phones.ctm \
--prior exp/iv/prior/best.ckpt -o exp/iv/units.json --pictures exp/iv/pictures
# stage 6: Evaluation of units (unseen speakers)
sqspeech evaluate-units exp/iv/unseen --data data/unseen --item data/unseen/phones.item --alignment C/phones.ctm \
--prior exp/iv/prior/best.ckpt -o exp/iv/unseen.json --pictures exp/iv/unseen-pictures
# stage 6: Vocoders
sqspeech compare-vocoders exp/iv/best.ckpt data/test -o exp/iv/vocoders --device cpu
# stage 7: Report
sqspeech report exp/iv -o exp/iv/report.html
"""
OWN = "--config conf/vocoder.yaml --set inputs.codec=exp/iv/best.ckpt --set inputs.decoded=0.5"
VOCODER = f"""\
# stage 3: Vocoder data (train)
sqspeech vocoder-data dump/train {OWN} --jobs 2
# stage 3: Vocoder data (dev)
sqspeech vocoder-data dump/dev {OWN} --jobs 2
# stage 3: Vocoder
sqspeech train dump exp/iv/vocoder {OWN} --device cpu
# stage 3: Vocoder into the model
sqspeech attach-vocoder exp/iv/best.ckpt exp/iv/vocoder/best.ckpt -o exp/iv/speech.ckpt
"""


def test_the_stages():
    options = ("--dry-run", "--corpus", "C", "--config", "iv", "--device", "cpu")
    assert bash(RECIPE, *options) == COMMANDS
    assert bash(RECIPE, *options, "--soft=") == COMMANDS.replace("--soft ", "")
    judges = "--train data/train --judge words --judgements exp/judgements"
    spoken = bash(RECIPE, *options, "--vocoder", "vocoder")
    assert spoken.replace(VOCODER, "").replace("exp/iv/speech.ckpt", "exp/iv/best.ckpt") == COMMANDS
    assert spoken.count("exp/iv/speech.ckpt") == 5
    kept = "-o exp/iv/vocoders --judge words --judgements exp/judgements"
    judged = COMMANDS.replace("--train data/train", judges).replace("-o exp/iv/vocoders", kept)
    assert bash(RECIPE, *options, "--judges", "words") == judged


@pytest.mark.parametrize("pair", list(combinations(["iv", "i", "vq_ema", "plus"], 2)), ids="-".join)
def test_configurations_share_features_and_size(pair):
    one, other = (load_config(RECIPE / f"conf/{name}.yaml") for name in pair)
    assert one.features == other.features
    assert one.encoder.width == other.encoder.width
    assert one.decoder == other.decoder
    assert one.quantizer.codebook_size == other.quantizer.codebook_size
    assert one.training.steps == other.training.steps
    frames = [config.crops.batch_size * config.crops.frames for config in (one, other)]
    assert frames[0] == frames[1]


def test_no_set_hears_the_unseen(speech, tmp_path):
    recipe = copy_recipe("librispeech", tmp_path)
    bash(recipe, "--stage", 1, "--stop-stage", 1, "--corpus", speech / "librispeech28", "--config", "tiny")
    sets = {name: utterances(recipe / "data" / name) for name in ("train", "dev", "test", "unseen")}
    assert {name: len(ids) for name, ids in sets.items()} == {"train": 216, "dev": 24, "test": 44, "unseen": 53}
    assert {utt_id.split("-")[0] for utt_id in sets["unseen"]} == {"1088", "118", "3526", "3664"}
    assert not {utt_id.split("-")[0] for utt_id in sets["train"]} & {"1088", "118", "3526", "3664"}
    pairs = [line.split() for line in (recipe / "data/pairs").read_text().splitlines()]
    assert len(pairs) == 48
    assert all(utt_id in sets["test"] and speaker != target for utt_id, speaker, target in pairs)
