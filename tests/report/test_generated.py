"""The section of generated speech: players, marked prompts, and the prior's curves."""

import json
import re
from pathlib import Path

import pytest
import soundfile
from corpus import voice

from sqspeech.errors import DataError
from sqspeech.report import write_report


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, voice(150.0, 0, 2.0), 16000)


HEADER = "utt_id\ttarget\toutput\tprompt\tprompt_seconds\tseconds\n"


def test_samples_have_players_and_a_prompt_its_share(experiment):
    write_report(experiment, experiment / "report.html")
    before = (experiment / "report.html").read_text()
    assert "Generated speech" not in before
    for name in ("sample-1", "a-1-1"):
        write(experiment / f"generated/{name}-to-b.wav")
    (experiment / "generated/manifest.tsv").write_text(
        f"{HEADER}sample-1\tb\tsample-1-to-b.wav\t\t0.0\t2.0\na-1-1\tb\ta-1-1-to-b.wav\ta-1\t0.5\t2.0\n"
    )
    (experiment / "prior").mkdir()
    lines = [{"step": 5, "bits_per_unit": 4.0}, {"step": 5, "dev_bits_per_unit": 4.2, "dev_trigram_bits_per_unit": 4.5}]
    (experiment / "prior/metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_report(experiment, experiment / "report.html")
    page = (experiment / "report.html").read_text()
    assert page.count("<audio") == before.count("<audio") + 2
    assert re.findall(r'<i style="width: ([\d.]+)%">', page) == ["25.00"]
    assert "b, 2.00 s, continues a-1" in page
    assert "train: 4 at step 5, 4 at step 5; dev: 4.2 at step 5, 4.2 at step 5; dev, trigram: 4.5 at step 5" in page


@pytest.mark.parametrize(
    ("line", "reason"),
    [("a\tb\ta.wav\n", "manifest.tsv:2: expected the columns"), ("a\tb\tb.wav\t\tx\t1\n", "no duration of its prompt")],
)
def test_a_damaged_manifest_is_one_line(experiment, line, reason):
    write(experiment / "generated/b.wav")
    (experiment / "generated/manifest.tsv").write_text(HEADER + line)
    with pytest.raises(DataError, match=reason):
        write_report(experiment, experiment / "report.html")
