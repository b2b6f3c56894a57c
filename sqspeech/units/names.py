"""Whether the formats can hold the ids and the paths of utterances, so that none is taken for another."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError

# What ends an id where a reader of the format looks for it, or cannot be in the name of a file.
FORBIDDEN = {"fairseq": "|", "zerospeech": "/"}
# In bytes of UTF-8, as far as the names in an archive and of a file go.
LONGEST = {"npz": 65_000, "zerospeech": 250}


def check_names(utterances: Sequence[Utterance], formats: Collection[str]) -> None:
    """Raise DataError where an id stands twice, or one of the formats cannot hold an id or a path; it is named."""
    counts = Counter(utterance.utt_id for utterance in utterances)
    for utterance in utterances:
        utt_id = utterance.utt_id
        if counts[utt_id] > 1:
            raise DataError(f"utterance {utt_id!r} stands {counts[utt_id]} times; rename all but one")
        for fault in _faults(utterance, formats):
            raise DataError(f"utterance {utt_id[:80]!r} ({str(utterance.path)[:200]!r}): {fault}; rename it")


def _faults(utterance: Utterance, formats: Collection[str]) -> Iterator[str]:
    utt_id, path = utterance.utt_id, str(utterance.path)
    if utt_id.split() != [utt_id] or "\0" in utt_id:
        yield "an id must not be empty or have white space"
    try:
        length = len(utt_id.encode())
        path.encode()
    except UnicodeEncodeError:
        yield "the name is not UTF-8"
        return
    for name in formats:
        if found := set(FORBIDDEN.get(name, "")) & set(utt_id):
            yield f"the format {name} cannot hold an id with {min(found)!r}"
        if length > LONGEST.get(name, length):
            yield f"the format {name} cannot hold an id of {length} bytes, but of {LONGEST[name]}"
        if name == "fairseq" and set("\t\n\r") & set(path):
            yield "the format fairseq cannot hold a path with a tab or a line break"
