"""Judgements an utterance as JSONL, as the toolkit VERSA writes its scores."""

import json
from collections.abc import Mapping
from pathlib import Path

from sqspeech.atomic import write_text
from sqspeech.evaluation.metrics.speech_metric import SPEECH_METRICS


def write_versa(folder: Path, judged: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Write `KIND.jsonl` for each kind of speech: an object an utterance, with its id as `key` and its values by name.

    The layout is that of VERSA (github.com/wavlab-speech/versa, `versa/scorer_shared.py`), whose
    `scripts/show_result.py` reads it. A measure that VERSA has as well has VERSA's name; VERSA scales a recording to a
    peak of 1 before DNSMOS, which here is given it as it is.

    Parameters
    ----------
    folder
        To write to.
    judged
        The values of each utterance by its id, for each kind.
    """
    rows = [row for name in SPEECH_METRICS.names() for row in SPEECH_METRICS[name].rows]
    names = {row.key: row.versa or row.key for row in rows}
    for kind, utterances in judged.items():
        lines = (
            json.dumps({"key": utt_id, **{names.get(key, key): value for key, value in values.items()}})
            for utt_id, values in utterances.items()
        )
        write_text(folder / f"{kind}.jsonl", "".join(f"{line}\n" for line in lines))
