"""The tests that need a GPU and each benchmark's part for one, within ten minutes; benchmarks/on_gpu.sh calls it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# In seconds. What a command of a queue or of a lent machine may last is often 600.
BUDGET = 585
LEAST = 10
NEEDED = ("torch", "torchaudio", "librosa", "soundfile", "pyworld", "pydantic", "torchdtw", "kaldiio", "typer", "rich")
NEEDED_BY_TESTS = ("pytest", "hypothesis", "beartype")
# Without recordings.
NEEDED_TO_SPEAK = ("espeakng_loader",)
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Part:
    """A script of this folder with its arguments, the seconds after which it is ended, and whether it needs speech."""

    name: str
    arguments: tuple[str, ...]
    seconds: int
    speech: bool = True


PARTS = (
    Part("training", ("--device", "cuda", "--steps", "500", "--rounds", "2", "--minutes", "2", "--long", "20000"), 200),
    Part("features", ("--device", "cuda", "--minutes", "4", "--repeats", "20"), 70),
    Part("units", ("--device", "cuda", "--minutes", "20"), 60),
    Part("conversion", ("--device", "cuda", "--seconds", "60"), 80),
    Part(
        "residency",
        ("--device", "cuda", "--steps", "400", "--hours", "4", "--utterances", "4000"),
        100,
        speech=False,
    ),
    Part("quantizer", ("--rounds", "1", "--seconds", "10", "--checked", "1000"), 90, speech=False),
)


def missing(recordings: Sequence[str]) -> list[str]:
    """Return what is missing here, in words."""
    needed = (*NEEDED, *NEEDED_BY_TESTS, *(() if recordings else NEEDED_TO_SPEAK))
    lacking = [name for name in needed if not find_spec(name)]
    if lacking:
        return [f"{', '.join(lacking)}: install requirements.lock, and this project with pip install --no-deps -e ."]
    import torch

    return [] if torch.cuda.is_available() else ["a GPU that torch can use; `sqspeech doctor` tells what it sees"]


def run(name: str, command: list[str], folder: Path, seconds: float) -> str:
    """Run a command, its output in FOLDER/NAME.log; return how it went."""
    if seconds < LEAST:
        return f"left out: {BUDGET} s are over"
    log = folder / f"{name}.log"
    try:
        with log.open("w") as output:
            done = subprocess.run(command, cwd=HERE.parent, stdout=output, stderr=output, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"ended after {seconds:.0f} s, see {log}"
    return "passed" if done.returncode == 0 else f"failed with status {done.returncode}, see {log}"


def figures_of(path: Path) -> dict[str, float]:
    """Return the numbers of a benchmark's JSON, nested names joined by dots."""
    return dict(_numbers(json.loads(path.read_text()))) if path.exists() else {}


def _numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and key != "machine":
            yield from _numbers(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            rows = {row.get("title", str(number)): row for number, row in enumerate(value) if isinstance(row, Mapping)}
            yield from _numbers(rows, f"{prefix}{key}.")
        elif isinstance(value, int | float):
            yield f"{prefix}{key}", value


def measure(folder: Path, recordings: Sequence[str]) -> dict[str, Any]:
    """Run the tests and all parts; what is done is in FOLDER/figures.json at any time."""
    import torch

    start, found = time.monotonic(), {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    tests = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    parts: dict[str, Any] = {}
    for part in (Part("tests", (), 180, speech=False), *PARTS):
        left = BUDGET - (time.monotonic() - start)
        result = folder / f"{part.name}.json"
        speech = recordings if part.speech else ()
        script = [sys.executable, str(HERE / f"{part.name}.py"), *speech, *part.arguments, "--json", str(result)]
        print(f"{part.name}: at most {min(part.seconds, left):.0f} s", flush=True)
        began = time.monotonic()
        how = run(part.name, tests if part.name == "tests" else script, folder, min(part.seconds, left))
        parts[part.name] = {"how": how, "seconds": time.monotonic() - began, "figures": figures_of(result)}
        (folder / "figures.json").write_text(json.dumps(found | {"parts": parts}, indent=2) + "\n")
    return found | {"parts": parts}


def main(folder: Path, recordings: Sequence[str] = ()) -> int:
    if lacking := missing(recordings):
        print("missing:", *lacking, sep="\n  ", file=sys.stderr)
        return 1
    from measuring import print_table

    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    found = measure(folder, recordings)
    rows = []
    for name, part in found["parts"].items():
        rows.append([name, part["how"], f"{part['seconds']:.0f} s"])
        rows += [["", key, f"{value:.4g}"] for key, value in part["figures"].items()]
    print_table(f"{found['gpu']}, torch {found['torch']}", ("part", "figure", "value"), rows)
    return int(any(part["how"] != "passed" for part in found["parts"].values()))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
