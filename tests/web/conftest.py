"""A page with two untrained models and a prior, started as a user starts it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pytest
import soundfile
import torch
from corpus import voice
from page_visitor import LIMIT, Files, Page
from prior_units import CONFIG
from units_models import make_model

from sqspeech.checkpoint import checkpoint_content, write_content
from sqspeech.codec import Codec
from sqspeech.pitch import SpeakerPitch
from sqspeech.priors.steps import StepCoder
from sqspeech.priors.unit_lm import UnitLM

PITCH = {"f1": SpeakerPitch(log_mean=5.3, log_std=0.2), "m1": SpeakerPitch(log_mean=4.7, log_std=0.2)}


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    root = tmp_path_factory.mktemp("page")
    found = Files(*(root / name for name in ("a.ckpt", "b.ckpt", "best.ckpt", "talk.wav", "long.flac")))
    for path, name, speakers in ((found.a, "sq-IV", ["f1", "m1"]), (found.b, "vq", ["m1", "m2"])):
        model = make_model(name, 16, decoder={"name": "conv", "width": 8, "layers": 1, "speaker_dim": 4})
        with torch.no_grad():
            for values in model.model.decoder.parameters():  # at first all speakers are alike
                values += 0.1 * torch.randn_like(values)
        write_content(path, checkpoint_content(model.config, speakers, PITCH, model.model, {}))
    info = Codec.load(found.a).info
    torch.manual_seed(0)
    prior = UnitLM(CONFIG.model, StepCoder(CONFIG.steps, info).sizes)
    content = {
        "format": "sqspeech-2",
        "task": "prior",
        "config": CONFIG.to_dict(),
        "units": asdict(info),
        "training": {},
    }
    write_content(found.prior, content | {"model": prior.state_dict()})
    sentences = np.concatenate([0.5 * voice(120.0, number, 1.0) for number in range(6)])
    soundfile.write(found.talk, sentences, 16000)
    soundfile.write(found.long, np.tile(sentences, 20), 16000)
    return found


@pytest.fixture(scope="session")
def page(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    storage = tmp_path_factory.mktemp("storage")
    command = [sys.executable, "-m", "sqspeech.cli", "serve", files.a, files.b, "--prior", files.prior, "-o", storage]
    options = ["--port", "0", "--limit", LIMIT]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        list(map(str, command + options)), stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout
        found = re.search(r"http\S+", process.stdout.readline())
        assert found, "the page did not start"
        yield Page(found[0], files, storage, process.pid)
        process.terminate()
        assert process.wait(20) == 143
