"""The Python examples of the README run as they stand."""

import re
import shutil
from pathlib import Path

import numpy as np
import soundfile
from corpus import voice

README = (Path(__file__).parents[1] / "README.md").read_text()
SECTION = README.partition("## From Python")[2].partition("\n## ")[0]
EXAMPLES = re.findall(r"^```python\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)


def test_speech_is_encoded_and_decoded(experiment, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    checkpoint, wav = Path("recipes/mini/exp/demo/best.ckpt"), Path("recipes/mini/data/wav/m1/m1-067.wav")
    for path in (checkpoint, wav):
        path.parent.mkdir(parents=True)
    shutil.copy(experiment.checkpoint, checkpoint)
    soundfile.write(wav, voice(120.0, 0, 1.0), 16000)
    (example,) = EXAMPLES
    exec(example, {})
    assert "[" in capsys.readouterr().out
    decoded, rate = soundfile.read("decoded.wav")
    assert (len(decoded), rate) == (16000, 16000)
    assert np.abs(decoded).max() > 0
