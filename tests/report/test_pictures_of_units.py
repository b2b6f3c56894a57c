"""Metrics and pictures of units in the page."""

import base64
import json
import re

from PIL import Image

from sqspeech.report import write_report


def test_pictures_of_units_are_in_the_page(experiment):
    exp = experiment
    (exp / "pictures").mkdir()
    for name, colour in (("trade", "red"), ("phones-a", "blue")):
        Image.new("RGB", (4, 3), colour).save(exp / "pictures" / f"{name}.png")
    write_report(exp, exp / "report.html")
    page = (exp / "report.html").read_text()
    found = dict(re.findall(r'src="data:image/png;base64,([^"]+)" alt="([\w-]+), drawn by', page))
    assert list(found.values()) == ["phones-a", "trade"]
    for content, name in found.items():
        assert base64.b64decode(content) == (exp / f"pictures/{name}.png").read_bytes()


def test_the_table_of_evaluate_units_is_in_the_page(experiment):
    baseline = {"abx": {"across": 20.0, "within": 10.0}, "speaker_accuracy": 90.0}
    metrics = {
        "systems": {"a <b>": {"bitrate": 123.456, "perplexity_by_stage": [5.0, 7.5]}},
        "baselines": {"mfcc": baseline, "log_mel": baseline},
        "speaker_chance": None,
        "notes": ["utterances without units: 2"],
    }
    (experiment / "units.json").write_text(json.dumps(metrics))
    write_report(experiment, experiment / "report.html")
    page = (experiment / "report.html").read_text()
    assert re.findall(r"<tr><th scope=\"row\">([^<]+)</th><td>([^<]+)</td>", page) == [
        ("bitrate (bit/s)", "123.5"),
        ("  by stage", "5 7.5"),
    ]
    assert "a &lt;b&gt;" in page
    assert "utterances without units: 2" in page
