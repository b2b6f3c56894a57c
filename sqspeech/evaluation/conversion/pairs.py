"""Pairs of source and target recordings."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import permutations

from sqspeech.data.data_dir import DataDir, Utterance


def parallel_pairs(data: DataDir) -> Iterator[tuple[Utterance, Utterance]]:
    """Yield, for each ordered pair of speakers of opposite gender, a source and a target of the same text.

    Every pair has one text, and the texts take turns. Where the genders are not known, all pairs count.
    """
    by_text: dict[str, dict[str, Utterance]] = defaultdict(dict)
    for utterance in data:
        if utterance.text is not None:
            by_text[utterance.text][utterance.spk_id] = utterance
    texts = list(by_text.values())
    for number, (source, target) in enumerate(permutations(data.speakers, 2)):
        gender = data.spk2gender.get(source), data.spk2gender.get(target)
        shared = [by_speaker for by_speaker in texts if source in by_speaker and target in by_speaker]
        if shared and (None in gender or gender[0] != gender[1]):
            by_speaker = shared[number % len(shared)]
            yield by_speaker[source], by_speaker[target]


def same_text(data: DataDir, source: Utterance, target: str) -> Utterance | None:
    """Return the first recording of the source's text by the target speaker; None without one."""
    same = (u for u in data if u.spk_id == target and u.text == source.text and u.text is not None)
    return next(same, None)


def gender_kinds(genders: Mapping[str, str], source: str, target: str) -> tuple[str, ...]:
    """Return `same_gender` or `cross_gender` for two speakers; nothing where a gender is not known."""
    one, other = genders.get(source), genders.get(target)
    if one is None or other is None:
        return ()
    return ("same_gender",) if one == other else ("cross_gender",)
