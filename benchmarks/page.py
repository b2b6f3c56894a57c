"""Time to the first sound of the page, its time beside the command's, and its memory for an hour.

`python benchmarks/page.py CKPT RECORDINGS... --json FILE` starts `sqspeech serve`, sends it ten seconds of speech, and
takes the clock's time until the converted file is there: from the start of the program (`first_sound_seconds`), and of
later orders (`page_seconds`), beside that of `sqspeech convert` for the same file (`command_seconds`), in turn. Then it
converts longer recordings, and looks at what the page's two processes hold of their own.
"""

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import requests
import soundfile
import typer
from measuring import descendants, describe_machine, print_table
from speech import RATE, recorded

from data_prep.command import run

COMMAND = [sys.executable, "-m", "sqspeech.cli"]
ROUNDS = 3
INTERVAL = 0.2


class Page:
    """A page that was started, and one visitor."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url, self.http = process, url, requests.Session()

    def send(self, path: Path) -> str:
        """Return the id of an upload."""
        with path.open("rb") as file:
            found: str = self.http.post(f"{self.url}recordings", params={"name": path.name}, data=file).json()["id"]
        return found

    def order(self, **given: Any) -> str:
        """Return the id of an order."""
        found: str = self.http.post(f"{self.url}jobs", json=given).json()["id"]
        return found

    def state(self) -> dict[str, Any]:
        """Return what the page shows."""
        found: dict[str, Any] = self.http.get(f"{self.url}state").json()
        return found

    def convert(self, path: Path, speaker: str, watch: dict[str, list[int]] | None = None) -> None:
        """Send a recording, and fetch the conversion; `watch` takes what the processes hold meanwhile."""
        model = self.state()["models"][0]["id"]
        job = self.order(kind="convert", recording=self.send(path), models=[model], to=[speaker])
        while (found := self.state()["jobs"][0])["state"] in ("waiting", "running"):
            for name, held in (watch or {}).items():
                held.append(max(map(own_bytes, self.processes()[name]), default=0))
            time.sleep(0.02 if watch is None else INTERVAL)
        assert found["state"] == "done", found["sentence"]
        (of_model,) = self.http.get(f"{self.url}jobs/{job}").json()["models"]
        assert self.http.get(f"{self.url}jobs/{job}/files/{of_model['speech'][0]['file']}").content

    def processes(self) -> dict[str, list[int]]:
        """Return the ids of the page's own process and of those below it."""
        return {"server": [self.process.pid], "worker": descendants(self.process.pid)}


def own_bytes(pid: int) -> int:
    """Return the anonymous memory of a process."""
    try:
        found = re.search(r"^RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:  # it has ended
        return 0
    return 1024 * int(found[1]) if found else 0


@contextmanager
def served(checkpoint: Path, folder: Path) -> Iterator[Page]:
    """Yield a page of a model."""
    command = [*COMMAND, "serve", str(checkpoint), "-o", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield Page(process, process.stdout.readline().split()[0])
        finally:
            process.terminate()


def measure(checkpoint: Path, samples: np.ndarray, minutes: list[float], folder: Path) -> dict[str, float]:
    """Return the figures."""
    short, figures = folder / "short.wav", dict[str, float]()
    soundfile.write(short, samples[: 10 * RATE], RATE)
    subprocess.run([*COMMAND, "speakers", str(checkpoint)], check=True, capture_output=True)  # torch is in memory then
    begun = time.perf_counter()
    with served(checkpoint, folder / "page") as page:
        figures["page_up_seconds"] = time.perf_counter() - begun
        speaker = page.state()["models"][0]["speakers"][0]
        page.convert(short, speaker)
        figures["first_sound_seconds"] = time.perf_counter() - begun
        command = [*COMMAND, "convert", str(checkpoint), str(short), "--to", speaker, "-o", str(folder / "out")]
        sides = {
            "page_seconds": lambda: page.convert(short, speaker),
            "command_seconds": lambda: subprocess.run(command, check=True, capture_output=True),
        }
        turns: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, work in sides.items():
                start = time.perf_counter()
                work()
                turns[name].append(time.perf_counter() - start)
        figures |= {name: statistics.median(seconds) for name, seconds in turns.items()}
        figures["page_over_command"] = figures["page_seconds"] / figures["command_seconds"]
        print(figures, flush=True)  # the rest takes long
        for length in minutes:
            soundfile.write(folder / "long.flac", np.resize(samples, round(60 * length * RATE)), RATE)
            held: dict[str, list[int]] = {"server": [0], "worker": [0]}
            page.convert(folder / "long.flac", speaker, held)
            figures |= {f"{name}_megabytes_{length:g}_minutes": max(found) / 1e6 for name, found in held.items()}
    return figures


def main(
    checkpoint: Annotated[Path, typer.Argument(metavar="CKPT", help="A model.")],
    paths: Annotated[list[Path], typer.Argument(metavar="RECORDINGS", help="Recordings or folders.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    minutes: Annotated[list[float], typer.Option(min=0.1, help="Of a recording, for the memory.")] = [10, 60],  # noqa: B006
) -> None:
    """Measure the page's time and memory."""
    samples = np.concatenate([each for each, _ in zip(recorded(paths), range(12), strict=False)])
    with TemporaryDirectory() as folder:
        figures = measure(checkpoint, samples, minutes, Path(folder))
    print_table("page", ("", "figure"), [[name, f"{value:.3g}"] for name, value in figures.items()])
    if json_file:
        json_file.write_text(json.dumps(figures | {"machine": describe_machine()}, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
