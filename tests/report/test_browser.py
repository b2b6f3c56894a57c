"""The report in a real browser, spoken to in the WebDriver protocol."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from sqspeech import audio

CHROMEDRIVER = shutil.which("chromedriver")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=1280,1600",
]
PLAY_ALL = """
const done = arguments[arguments.length - 1];
const play = async (player) => {
    player.muted = true;
    const ended = new Promise((resolve) => player.addEventListener("ended", resolve));
    try { await player.play(); } catch (error) { return {error: String(error)}; }
    await ended;
    return {duration: player.duration, heard: player.currentTime};
};
Promise.all([...document.querySelectorAll("audio")].map(play)).then(done);
"""
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"

pytestmark = [
    pytest.mark.skipif(CHROMEDRIVER is None, reason="chromedriver is not installed"),
    pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome is installed"),
]


class Session:
    """A WebDriver session: `command(path, body)` posts and returns the answer's value."""

    def __init__(self, server: str, profile: Path) -> None:
        self.url = server
        options = {"binary": BROWSER, "args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
        logs = {"browser": "ALL", "performance": "ALL"}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logs}
        answer = self.command("session", {"capabilities": {"alwaysMatch": wanted}})
        self.url = f"{server}/session/{answer['sessionId']}"

    def command(self, path: str, body: dict[str, object]):
        return self._send(Request(f"{self.url}/{path}", json.dumps(body).encode()))

    def script(self, script: str, kind: str = "sync"):
        return self.command(f"execute/{kind}", {"script": script, "args": []})

    def log(self, kind: str) -> list[dict[str, str]]:
        return self.command("se/log", {"type": kind})

    def quit(self) -> None:
        self._send(Request(self.url, method="DELETE"))

    @staticmethod
    def _send(request: Request):
        # Without a proxy: the driver is on this machine.
        with build_opener(ProxyHandler({})).open(request, timeout=60) as response:
            return json.load(response)["value"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with subprocess.Popen([CHROMEDRIVER, "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        port = next(
            (found[1] for line in driver.stdout if (found := re.search(r"successfully on port (\d+)", line))),
            None,
        )
        yield f"http://127.0.0.1:{port}"
        driver.terminate()


@pytest.fixture(scope="module")
def browser(server, reported, tmp_path_factory) -> Iterator[Session]:
    session = Session(server, tmp_path_factory.mktemp("profile"))
    session.command("url", {"url": (reported / "report.html").as_uri()})
    yield session
    session.quit()


def test_every_player_plays_the_whole_of_its_sound(browser, reported):
    conversion = reported / "conversion"
    paths = [conversion / name for name in ("a-1/source.wav", "a-1/b.wav", "b-1/source.wav", "b-1/a.wav")]
    lengths = [len(samples) / rate for samples, rate in map(audio.read, paths)]
    states = browser.script(PLAY_ALL, "async")
    assert not any("error" in state for state in states), states
    for name in ("duration", "heard"):
        assert [state[name] for state in states] == pytest.approx([0.5, *lengths[:2], 0.7, *lengths[2:]], abs=0.05)


def test_every_picture_is_drawn(browser):
    widths = browser.script("return [...document.images].map((image) => image.naturalWidth)")
    assert len(widths) > 6
    assert all(widths)


def test_the_console_is_clean_and_nothing_else_is_asked_for(browser, reported):
    assert [entry for entry in browser.log("browser") if entry["level"] in {"SEVERE", "WARNING"}] == []
    page = (reported / "report.html").as_uri()
    events = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    requests = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    # The browser's own start page asks for things too.
    urls = [request["request"]["url"] for request in requests if request["documentURL"] == page]
    assert [url for url in urls if urlsplit(url).scheme != "data"] == [page]


def test_the_page_does_not_scroll_sideways_on_a_phone(browser):
    browser.command("goog/cdp/execute", {
        "cmd": "Emulation.setDeviceMetricsOverride",
        "params": {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True},
    })  # fmt: skip
    assert browser.script("return innerWidth") == 390
    assert browser.script(OVERFLOW) == 0
