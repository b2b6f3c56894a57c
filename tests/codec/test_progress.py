"""Progress of a conversion: it begins with the search for the pitch, and ends with the length of the recording."""

import numpy as np
import pytest
from corpus import voice
from noise_vocoder import Noise
from units_models import make_model

from sqspeech import Codec
from sqspeech.codec.pieces import LONGEST
from sqspeech.codec.prosody import KEEP
from sqspeech.codec.speakers import find_speaker
from sqspeech.codec.synthesis import SEARCHING

SAMPLES = voice(120.0, 1, LONGEST + 2.0)


@pytest.mark.parametrize(("vocoder", "searching"), [("world", SEARCHING), (Noise(), 0.0)])
def test_a_conversion_tells_how_many_seconds_are_done(vocoder, searching):
    codec, told = Codec(make_model()), list[float]()
    targets = [find_speaker(codec.trained, name) for name in ("a", "b")]
    outs = [np.zeros_like(SAMPLES) for _ in targets]
    codec.synthesizer.convert(outs, SAMPLES, targets, codec.vocoders.find(vocoder), pitch=KEEP, advance=told.append)
    seconds = len(SAMPLES) / codec.sample_rate
    assert sum(told) == pytest.approx(2 * seconds)
    assert len(told) == (2 if searching else 0) + 4
    if searching:
        # The whole recording is searched before anything of it is converted.
        assert sum(told[:2]) == pytest.approx(2 * searching * seconds)
