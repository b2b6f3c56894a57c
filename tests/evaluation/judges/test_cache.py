import json

import numpy as np
import pytest

from sqspeech.errors import DataError, SqspeechError
from sqspeech.evaluation.judges.cache import FILE, JudgementCache, digest

SPEECH = [np.full(100, value, np.float32) for value in (0.1, 0.2, 0.3)]


class Judge:
    """Gives the first sample, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, speech):
        self.asked.append(len(speech))
        return [{"first": float(samples[0])} for samples in speech]


def test_what_was_judged_is_not_judged_again(tmp_path):
    judge, cache = Judge(), JudgementCache(tmp_path / "kept")
    first = cache.judged("toy 1", [SPEECH[0], SPEECH[1], SPEECH[0]], judge)
    assert first == [{"first": float(np.float32(value))} for value in (0.1, 0.2, 0.1)]
    assert cache.judged("toy 1", [SPEECH[2], SPEECH[1]], judge)[1] == first[1]
    assert judge.asked == [2, 1]
    again = JudgementCache(tmp_path / "kept")
    assert again.judged("toy 1", SPEECH[:2], judge) == first[:2]
    assert judge.asked == [2, 1]
    again.judged("toy 2", SPEECH[:1], judge)
    assert judge.asked == [2, 1, 1]


def test_a_line_that_was_cut_off_is_judged_again_and_spoils_no_other(tmp_path):
    judge = Judge()
    JudgementCache(tmp_path).judged("toy", SPEECH[:2], judge)
    path = tmp_path / FILE
    path.write_text(path.read_text().rstrip()[:-5])
    JudgementCache(tmp_path).judged("toy", SPEECH, judge)
    assert judge.asked == [2, 2]
    JudgementCache(tmp_path).judged("toy", SPEECH, judge)
    assert judge.asked == [2, 2]


def test_each_line_is_a_judgement(tmp_path):
    JudgementCache(tmp_path).judged("toy", [(SPEECH[0], SPEECH[1])], lambda pairs: [None for _ in pairs])
    (line,) = filter(None, (tmp_path / FILE).read_text().splitlines())
    assert json.loads(line) == {"judge": "toy", "samples": digest((SPEECH[0], SPEECH[1])), "value": None}


def test_the_digest_tells_pairs_apart_by_order_and_by_where_they_are_cut():
    a, b = np.arange(6, dtype=np.float32), np.arange(6, 8, dtype=np.float32)
    whole = np.concatenate([a, b])
    digests = [digest(item) for item in (whole, (a, b), (b, a), (whole[:5], whole[5:]), a)]
    assert len(set(digests)) == len(digests)
    assert digest(whole[::2]) == digest(whole[::2].copy())


def test_faults_of_the_file_are_one_line(tmp_path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(DataError, match=r"judgements.jsonl: cannot read the judgements"):
        JudgementCache(tmp_path)
    blocked = JudgementCache(tmp_path / "new")
    (tmp_path / "new").write_text("")
    with pytest.raises(SqspeechError, match=r"judgements.jsonl: cannot write"):
        blocked.judged("toy", SPEECH, Judge())
