"""The Python examples of the README run as they stand."""

import re
from pathlib import Path

import numpy as np
import soundfile
from corpus import voice

import sqspeech.units
from sqspeech.data.data_dir import Utterance
from sqspeech.units import Contents, extract_corpus

README = Path(sqspeech.units.__file__).with_name("README.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README.partition("## Without torch")[0], re.DOTALL | re.MULTILINE)


def run(example: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(example, names)
    return names


def test_reading(experiment, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", voice(120.0, 0, 1.0), 16000)
    utterance = Utterance(utt_id="p225_001", spk_id="p225", path=tmp_path / "a.wav")
    contents = Contents(deduplicated=True, durations=True, matrices=("vectors",))
    extract_corpus(experiment.checkpoint, [utterance], tmp_path / "units", ["kaldi"], contents)
    found = run(EXAMPLES[0])["found"]
    assert found["p225_001"].vectors.shape == (len(found["p225_001"].codes), 4)


def test_extracting_and_streaming(experiment, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("exp").mkdir()
    Path("exp/best.ckpt").write_bytes(experiment.checkpoint.read_bytes())
    soundfile.write("talk.wav", voice(120.0, 0, 1.0), 16000)
    units = run(EXAMPLES[1])["units"]
    printed = np.fromstring(capsys.readouterr().out.replace("[", " ").replace("]", " "), int, sep=" ")
    np.testing.assert_array_equal(printed, units.codes)
