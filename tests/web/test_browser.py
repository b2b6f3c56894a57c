"""The page in a headless browser: what a visitor clicks, sees and hears."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile
from browser import Browser, driver, needs_browser
from corpus import voice
from page_visitor import LIMIT, Page

pytestmark = needs_browser

MICROPHONE = "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"
DONE = "document.querySelector('.job[data-state=done] .cells audio, .job[data-state=done] a.button')"


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording that the browser's microphone plays, over and over."""
    path = tmp_path_factory.mktemp("microphone") / "fed.wav"
    soundfile.write(path, np.concatenate([0.4 * voice(120.0, number, 1.0, 48000) for number in range(4)]), 48000)
    return path


@pytest.fixture(scope="module")
def browser(microphone: Path, page: Page) -> Iterator[Browser]:
    with driver() as address:
        found = Browser(address, *MICROPHONE, f"--use-file-for-fake-audio-capture={microphone}")
        try:
            yield found
        finally:
            found.close()


@pytest.fixture
def visit(browser: Browser, page: Page) -> Iterator[Browser]:
    """A new visitor; nothing may be printed in the browser's console."""
    browser.command("Storage.clearCookies", {})
    browser.open(page.url)
    browser.wait("document.querySelector('#voices input')")
    browser.log()
    yield browser
    assert browser.log() == []


def upload(visit: Browser, path: Path) -> None:
    visit.type("#file", str(path))
    visit.wait("document.querySelectorAll('#recordings li').length > 0 && document.querySelector('#sent').hidden")


def fetch(visit: Browser, page: Page, address: str) -> bytes:
    cookie = visit.command("Network.getCookies", {"urls": [page.url]})["cookies"][0]
    answer = requests.get(page.url + address, cookies={cookie["name"]: cookie["value"]}, timeout=60)
    assert answer.ok
    return answer.content


def test_a_file_is_converted_and_heard_to_its_end_at_its_level(visit, page):
    upload(visit, page.files.talk)
    visit.click("#convert .main")
    visit.wait(DONE)
    heard = visit.run("""
      const audio = document.querySelector("audio[data-role=conversion]");
      const ended = new Promise((done) => audio.addEventListener("ended", done));
      audio.playbackRate = 4;
      await audio.play();
      await ended;
      const data = await (await fetch(audio.src)).arrayBuffer();
      const samples = (await new OfflineAudioContext(1, 1, 16000).decodeAudioData(data)).getChannelData(0);
      return [audio.currentTime, Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length)];
    """)
    source = soundfile.read(page.files.talk)[0]
    assert heard[0] == pytest.approx(len(source) / 16000, abs=0.05)
    assert 20 * abs(np.log10(heard[1] / np.sqrt(np.square(source - source.mean()).mean()))) < 0.1


def test_the_strip_shows_the_unit_that_is_heard(visit, page):
    upload(visit, page.files.talk)
    visit.click("#convert .main")
    visit.wait(DONE)
    visit.run("document.querySelector('audio[data-role=source]').currentTime = 1.5")
    shown = visit.wait("document.querySelector('.units output').value")
    table = fetch(visit, page, visit.run("return document.querySelector('.units a').getAttribute('href')"))
    rows = [line.split(",") for line in table.decode().splitlines()[1:]]
    (code,) = (row[3] for row in rows if float(row[1]) <= 1.5 < float(row[2]))
    assert shown == f"unit {code} at 1.50 s"
    colours = visit.run("""
      const canvas = document.querySelector(".timeline canvas"), pen = canvas.getContext("2d");
      const row = pen.getImageData(0, canvas.height - 3, canvas.width, 1).data;
      return new Set(Array.from({length: canvas.width}, (_, i) => row.slice(4 * i, 4 * i + 3).join())).size;
    """)
    assert colours > 3


def test_the_microphone_is_recorded_at_its_own_rate_and_level(visit, page, microphone):
    visit.click("#record")
    visit.wait("parseFloat(document.querySelector('#recorded').value) > 1.5")
    visit.click("#record")
    visit.wait("document.querySelectorAll('#recordings li').length === 1")
    address = visit.run("return document.querySelector('#heard').getAttribute('src')")
    samples, rate = soundfile.read(io.BytesIO(fetch(visit, page, address)))
    assert rate == visit.run("return new AudioContext().sampleRate")
    assert len(samples) / rate > 1.2
    # The loudest part of what was fed, whichever part was recorded.
    assert 0.05 < np.abs(samples).max() <= 1.01 * np.abs(soundfile.read(microphone)[0]).max()


def test_a_new_voice_is_added_and_used(visit, page):
    upload(visit, page.files.talk)
    visit.click("#tab-enroll")
    visit.type("#name", "me")
    visit.click("#enroll .main")
    visit.wait(DONE, seconds=120)
    assert visit.run("return document.querySelector('.job a.button').download") == "me.ckpt"
    visit.run("document.querySelector('.job[data-state=done] button:not(.plain)').click()")
    chosen = "[...document.querySelectorAll('#{} input:checked')].map((input) => input.nextSibling.textContent)"
    assert visit.run(f"return {chosen.format('voices')}") == ["me"]
    assert visit.run(f"return {chosen.format('models')}") == ["a + me"]


def test_an_order_is_cancelled(visit, page):
    upload(visit, page.files.long)
    visit.click("#convert .main")
    visit.wait("document.querySelector('.job[data-state=running]')")
    visit.run("[...document.querySelectorAll('.job button')].find((each) => each.textContent === 'Cancel').click()")
    visit.wait("document.querySelector('.job[data-state=stopped]')", seconds=10)
    assert "cancelled" in visit.text(".job")


def test_two_chosen_voices_are_mixed_by_sliders(visit, page):
    upload(visit, page.files.talk)
    visit.run("""
      document.querySelectorAll("#voices input").forEach((input) => input.checked || input.click());
      document.querySelector("#mix").click();
      document.querySelectorAll("#mixture input").forEach((slider, place) => { slider.value = place ? 75 : 25; });
      document.querySelector("#pitch").value = "shift";
    """)
    visit.click("#convert .main")
    visit.wait(DONE)
    assert visit.text(".job h3").endswith("f1:0.25,m1:0.75")


def test_what_cannot_be_converted_is_one_sentence(visit, page, tmp_path):
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "large.wav").write_bytes(bytes(round(LIMIT * 1e6) + 1))
    visit.click("#convert .main")
    assert visit.wait("document.querySelector('#convert .sentence').textContent") == "choose a recording first"
    for name, sentence in (("text.wav", "no audio file"), ("large.wav", "large.wav: more than 8 MB")):
        visit.type("#file", str(tmp_path / name))
        visit.wait("document.querySelector('#source-sentence').textContent.includes(arguments[0])", sentence)
    visit.log()  # a refusal is printed in the console, by the browser


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_window(visit, page, width):
    upload(visit, page.files.talk)
    visit.click("#convert .main")
    visit.wait(DONE)
    visit.size(width, 900, mobile=width < 800)
    assert visit.run("return document.documentElement.scrollWidth") <= width
    visit.command("Emulation.clearDeviceMetricsOverride", {})
