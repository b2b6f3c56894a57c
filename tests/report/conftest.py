import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sqspeech.report import write_report

METRICS = {
    "mse_db2": 52.318,
    "feature_variance_db2": 261.59,
    "perplexity": 5.25,
    "active_codes": 6,
    "codebook_size": 8,
    "bitrate": 119.6,
    "abx_within": 13.25,
    "abx_across": 17.5,
    "abx_within_mfcc": 12.0,
    "abx_across_mfcc": 19.625,
    "usage": [40, 0, 10, 25, 0, 5, 12, 8],
    "parallel": {
        "f0_to_target_semitones": 1.25,
        "f0_to_source_semitones": 8.75,
        "mel_to_target_db": 9.5,
        "mel_to_source_db": 12.5,
        "pairs": 96,
    },
    "hours": 0.0625,
}


def tone(path: Path, frequency: float, seconds: float, rate: int = 16000) -> None:
    """Write a tone that swells, so that no two of its frames are equal."""
    time = np.arange(round(seconds * rate)) / rate
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.8 * time / seconds * np.sin(2 * np.pi * frequency * time), rate)


def make(folder: Path) -> Path:
    """Make an experiment of two speakers, a and b, whose sources are FLAC (a part of it) and wav."""
    exp = folder / "small <exp>"
    (exp / "logs").mkdir(parents=True)
    tone(folder / "a-1.flac", 220, 1.0)
    tone(folder / "b-1.wav", 330, 0.7)
    rows = ["utt_id\tspeaker\tsource\tstart\tend\ttarget\toutput"]
    for utt_id, source, part, other in (
        ("a-1", "a-1.flac", "0.25\t0.75", "b"),
        ("b-1", "b-1.wav", "0\t", "a"),
    ):
        for number, target in enumerate(("source", other), start=1):
            tone(exp / f"conversion/{utt_id}/{target}.wav", 110 * number, 0.4 + 0.1 * number)
            rows.append(f"{utt_id}\t{utt_id[0]}\t{folder / source}\t{part}\t{target}\t{utt_id}/{target}.wav")
    (exp / "conversion/manifest.tsv").write_text("\n".join(rows) + "\n")
    train = [{"step": step, "mse_db2": 900.0 - step, "kl": 3.0, "learning_rate": 4e-4} for step in (0, 100, 200)]
    lines = [*train, {"step": 200, "dev_mse_db2": 555.0}]
    (exp / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (exp / "metrics.json").write_text(json.dumps(METRICS))
    (exp / "config.yaml").write_text("features: {n_mels: 40}\n# <small>\n")
    (exp / "logs/2.log").write_text("$ sqspeech train dump 'exp/<b>' && true\nstep 1\n")
    (exp / "logs/1.log").write_text("$ sqspeech features data dump\n$ not a command\n")
    (exp / "logs/3.log").write_text("no command here\n")
    (exp / "units/kaldi").mkdir(parents=True)
    (exp / "units/kaldi/units.txt").write_text(
        "".join(f"a-{line} {' '.join(map(str, range(300)))}\n" for line in range(5))
    )
    return exp


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """An experiment that a test may change, with one curve: drawing takes most of the time of a report."""
    exp = make(tmp_path)
    lines = [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]
    kept = [{name: line[name] for name in ("step", "mse_db2", "dev_mse_db2") if name in line} for line in lines]
    (exp / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
    return exp


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """The experiment of `reported` in another place."""
    return make(tmp_path)


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with its report.html, to be left as it is."""
    exp = make(tmp_path_factory.mktemp("reported"))
    write_report(exp, exp / "report.html")
    return exp
