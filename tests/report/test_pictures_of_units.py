"""The pictures of units in the page."""

import base64
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
