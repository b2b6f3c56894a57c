"""Which utterances the formats can hold, so that none is taken for another."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from sqspeech import names
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError
from sqspeech.failures import Failures

# What ends an id where a reader of the format looks for it, or cannot be in the name of a file.
FORBIDDEN = {"fairseq": re.compile(r"\|"), "zerospeech": names.UNSAFE}
# In bytes of UTF-8, as far as the names in an archive and of a file go.
LONGEST = {"npz": 65_000, "zerospeech": names.LONGEST - len(".txt")}


def usable(utterances: Sequence[Utterance], formats: Collection[str], failures: Failures) -> list[Utterance]:
    """Return the utterances whose ids and paths all the formats can hold; the others become failures.

    Raises
    ------
    DataError
        An id stands twice, or no utterance is left.
    """
    counts = Counter(utterance.utt_id for utterance in utterances)
    for utt_id, count in counts.items():
        if count > 1:
            raise DataError(f"utterance {utt_id!r} stands {count} times; rename all but one")
    kept, reason = list[Utterance](), ""
    for utterance in utterances:
        fault = next(_faults(utterance, formats), "")
        if fault:
            reason = f"utterance {utterance.utt_id[:80]!r} ({str(utterance.path)[:200]!r}): {fault}; rename it"
            failures.add(utterance.utt_id, reason)
        else:
            kept.append(utterance)
    if reason and not kept:
        raise DataError(f"no usable input; the last of {len(failures.reasons)}, {reason}")
    return kept


def _faults(utterance: Utterance, formats: Collection[str]) -> Iterator[str]:
    utt_id, path = utterance.utt_id, str(utterance.path)
    if utt_id.split() != [utt_id] or "\0" in utt_id:
        yield "an id must not be empty or have white space"
    if not names.is_utf8(utt_id + path):
        yield "the name is not UTF-8"
        return
    length = len(utt_id.encode())
    for name in formats:
        if name in FORBIDDEN and (found := FORBIDDEN[name].search(utt_id)):
            yield f"the format {name} cannot hold an id with {found[0]!r}{'' if found.start() else ' at its beginning'}"
        if length > LONGEST.get(name, length):
            yield f"the format {name} cannot hold an id of {length} bytes, but of {LONGEST[name]}"
        if name == "fairseq" and set("\t\n\r") & set(path):
            yield "the format fairseq cannot hold a path with a tab or a line break"
