"""The README is one page, its figures are those of the recipes, and its example decodes what it encoded."""

import re

import numpy as np
import soundfile
from examples import ROOT, blocks, prepare, run

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_it_is_one_page():
    assert len(TEXT.split()) < 1000


def test_a_row_of_its_results_is_a_row_of_the_recipe():
    table = TEXT.partition("## Results")[2].partition("## ")[0]
    rows = [line for line in table.splitlines() if re.match(r"\| `", line)]
    assert len(rows) >= 3
    assert set(rows) <= set((ROOT / "recipes/librispeech/RESULTS.md").read_text(encoding="utf-8").splitlines())


def test_speech_is_encoded_and_decoded(experiment, tmp_path, monkeypatch, capsys):
    prepare(tmp_path, experiment.root)
    monkeypatch.chdir(tmp_path)
    (example,) = [block for block in blocks(README) if block.language == "python"]
    run(example, {})
    assert "[" in capsys.readouterr().out
    source, rate = soundfile.read("recipes/mini/data/wav/m1/m1-067.wav")
    decoded, decoded_rate = soundfile.read("decoded.wav")
    assert (len(decoded), decoded_rate) == (len(source), rate)
    assert np.abs(decoded).max() > 0
