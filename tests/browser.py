"""A headless browser, driven by W3C WebDriver (https://www.w3.org/TR/webdriver2/)."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

DRIVER = shutil.which("chromedriver")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio"),
    *("--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--autoplay-policy=no-user-gesture-required", "--window-size=1280,1600"),
)
needs_browser = pytest.mark.skipif(not (DRIVER and BROWSER), reason="no Chromium with its driver")


class Browser:
    """A session of a browser."""

    def __init__(self, driver: str, *flags: str) -> None:
        self._driver, self._session = driver, ""
        options = {"binary": BROWSER, "args": [*FLAGS, *flags]}
        logging = {"browser": "ALL", "performance": "ALL"}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logging}
        found = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{found['sessionId']}"

    def close(self) -> None:
        self._call("DELETE", "")

    def open(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    def size(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Give the page a size in CSS pixels: windows have a least width."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.command("Emulation.setDeviceMetricsOverride", metrics)

    def command(self, name: str, parameters: dict[str, Any]) -> Any:
        return self._call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what the body of a function returns; `await` is allowed."""
        body = f"const done = arguments[arguments.length - 1]; (async () => {{ {script} }})().then(done)"
        return self._call("POST", "/execute/async", {"script": body, "args": list(arguments)})

    def click(self, selector: str) -> None:
        self._call("POST", f"/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        self._call("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def press(self, key: str) -> None:
        """Press and release a key, of the numbers that WebDriver gives to keys."""
        strokes = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": strokes}]})

    def text(self, selector: str) -> str:
        found: str = self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
        return found

    def wait(self, script: str, *arguments: Any, seconds: float = 30.0) -> Any:
        """Return the first value that is true."""
        end = time.monotonic() + seconds
        while not (found := self.run(f"return {script}", *arguments)):
            assert time.monotonic() < end, f"{script}: not within {seconds:g} s\n{self.text('body')}\n{self.log()}"
            time.sleep(0.05)
        return found

    def log(self, kind: str = "browser") -> list[str]:
        """Return what has been logged since the last look."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": kind})]

    def _find(self, selector: str) -> str:
        found: str = self._call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]
        return found

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._driver + self._session + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            # Without a proxy: the driver is on this machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=120) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None


@contextmanager
def driver() -> Iterator[str]:
    """Yield the address of a WebDriver."""
    assert DRIVER, "no chromedriver"
    command = [DRIVER, "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        line = next(line for line in process.stdout if "successfully on port" in line)
        try:
            yield f"http://127.0.0.1:{line.split('port')[-1].strip(' .\n')}"
        finally:
            process.terminate()
