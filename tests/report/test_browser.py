"""The report in a real browser."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from browser import Browser, driver, needs_browser

from sqspeech import audio

PLAY_ALL = """
const play = async (player) => {
    player.muted = true;
    const ended = new Promise((resolve) => player.addEventListener("ended", resolve));
    try { await player.play(); } catch (error) { return {error: String(error)}; }
    await ended;
    return {duration: player.duration, heard: player.currentTime};
};
return Promise.all([...document.querySelectorAll("audio")].map(play));
"""
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
# As WebDriver numbers them.
LEFT, UP, RIGHT, DOWN = "\ue012", "\ue013", "\ue014", "\ue015"

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser(reported) -> Iterator[Browser]:
    with driver() as address:
        found = Browser(address)
        found.open((reported / "report.html").as_uri())
        yield found
        found.close()


def test_every_player_plays_the_whole_of_its_sound(browser, reported):
    conversion = reported / "conversion"
    paths = [conversion / name for name in ("a-1/source.wav", "a-1/b.wav", "b-1/source.wav", "b-1/a.wav")]
    lengths = [len(samples) / rate for samples, rate in map(audio.read, paths)]
    states = browser.run(PLAY_ALL)
    assert not any("error" in state for state in states), states
    for name in ("duration", "heard"):
        assert [state[name] for state in states] == pytest.approx([0.5, *lengths[:2], 0.7, *lengths[2:]], abs=0.05)


def test_every_picture_is_drawn(browser):
    widths = browser.run("return [...document.images].map((image) => image.naturalWidth)")
    assert len(widths) > 6
    assert all(widths)


def test_the_console_is_clean_and_nothing_else_is_asked_for(browser, reported):
    assert browser.log() == []
    page = (reported / "report.html").as_uri()
    events = [json.loads(entry)["message"] for entry in browser.log("performance")]
    requests = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    # The browser's own start page asks for things too.
    urls = [request["request"]["url"] for request in requests if request["documentURL"] == page]
    assert [url for url in urls if urlsplit(url).scheme != "data"] == [page]


def test_the_page_does_not_scroll_sideways_on_a_phone(browser):
    browser.size(390, 844, mobile=True)
    assert browser.run("return innerWidth") == 390
    assert browser.run(OVERFLOW) == 0


def test_keys_lead_from_cell_to_cell_and_play(browser):
    focused = "return document.activeElement.querySelector('audio')?.ariaLabel ?? ''"
    browser.run("document.querySelectorAll('audio').forEach((audio) => { audio.currentTime = 0; audio.loop = true; })")
    browser.run("document.querySelector('.playable').focus()")
    heard = []
    for key in (RIGHT, RIGHT, DOWN, LEFT, UP, LEFT, LEFT):
        browser.press(key)
        heard.append(browser.run(focused))
    assert heard == [
        "a-1, reconstruction, speaker a",
        "a-1, conversion, speaker b",
        "b-1, conversion, speaker a",
        "b-1, reconstruction, speaker b",
        "a-1, reconstruction, speaker a",
        "a-1, source, speaker a",
        "a-1, source, speaker a",
    ]
    playing = "document.activeElement.querySelector('audio').paused"
    browser.press(" ")
    browser.wait(f"!{playing}")
    browser.press(" ")
    browser.wait(playing)


def test_a_row_leads_to_its_units_and_back(browser, reported):
    for link, target in (("#listening a[href^='#units']", "units-a-1"), ("#units a[href^='#row']", "row-a-1")):
        browser.click(link)
        assert browser.run("return document.querySelector(':target').id") == target
