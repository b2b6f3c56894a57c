"""The table of vocoders in the report."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sqspeech.errors import DataError
from sqspeech.evaluation.speech import vocoders as comparison
from sqspeech.report import vocoders, write_report


def write(experiment: Path, *values: str) -> None:
    """Write a copy by two vocoders and a conversion by one, with values of a judge or without."""
    kinds = [("natural", "a", ""), ("natural", "b", ""), ("copy", "a", "world"), ("copy", "a", "neural")]
    (experiment / "vocoders").mkdir()
    lines = ["\t".join([*vocoders.COLUMNS, *(["distillmos", "word_error"] if values else [])])]
    for place, (kind, target, vocoder) in enumerate([*kinds, ("conversion", "b", "world")]):
        samples = np.random.default_rng(place).uniform(-0.5, 0.5, 8000)
        soundfile.write(experiment / f"vocoders/{place}.wav", samples, 16000)
        utt_id = "b-1" if (kind, target) == ("natural", "b") else "a-1"
        lines.append("\t".join([utt_id, utt_id[0], kind, target, vocoder, f"{place}.wav", *values]))
    (experiment / "vocoders/manifest.tsv").write_text("\n".join(lines) + "\n")


def section(experiment: Path) -> str:
    """The section of the page, as HTML."""
    write_report(experiment, experiment / "report.html")
    page = (experiment / "report.html").read_text(encoding="utf-8")
    return page.partition('<section id="vocoders">')[2].partition("</section>")[0]


def text(html: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", html).split())


def test_the_columns_are_those_that_the_command_writes():
    assert vocoders.COLUMNS == comparison.COLUMNS


def test_each_row_has_natural_speech_of_the_target_and_every_vocoder(experiment):
    write(experiment)
    found = section(experiment)
    assert re.findall('<audio [^>]*aria-label="([^"]*)"', found) == [
        "a-1, natural, speaker a",
        "a-1, copy, world, speaker a",
        "a-1, copy, neural, speaker a",
        "a-1, natural, speaker b",
        "a-1, conversion, world, speaker b",
    ]
    assert "There are no values of judges; pip install &#34;sqspeech[judges]" in text(found).replace('"', "&#34;")
    assert "DistillMOS" not in found
    assert "stage 6" not in found
    # The neural vocoder made no conversion.
    assert text(found).endswith("none")


def test_the_values_of_the_judges_are_below_the_cells(experiment):
    write(experiment, "3.456", "12.5")
    found = text(section(experiment))
    assert found.count("DistillMOS 3.46 Word error 12 %") == 5
    assert "sqspeech[judges]" not in found


def test_a_value_that_is_no_number(experiment):
    write(experiment, "good", "")
    with pytest.raises(DataError, match="0.wav has a value that is not a number; compare again"):
        section(experiment)


def test_without_a_comparison_the_command_is_named(experiment):
    assert "sqspeech compare-vocoders (stage 6) writes it" in text(section(experiment)).replace(" )", ")")
