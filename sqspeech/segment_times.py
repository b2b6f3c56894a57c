"""The times of a segment in seconds: what they may be, and which samples they mean."""

import math

from sqspeech.errors import DataError

# Seconds by which a segment may end after its recording, as Kaldi's extract-segments has it.
TOLERANCE = 0.5


def parse_segment(value: str) -> tuple[str, float, float | None]:
    """Return recording, start and end of a line of a Kaldi segments file without its id; what is no number is NaN.

    An end of -1 is None: that of the recording.
    """
    rec_id, *times = value.split()
    start, end = map(_number, times)
    return rec_id, start, None if end == -1 else end


def time_fault(start: float, end: float | None) -> str:
    """Return what is wrong with these times in any recording, or nothing."""
    if not math.isfinite(start) or not (end is None or math.isfinite(end)):
        return "times that are no finite numbers"
    if start < 0:
        return "a start before its recording's"
    return "an end that is not after its start" if end is not None and end <= start else ""


def span(where: object, n_samples: int, sample_rate: int, start: float, end: float | None) -> tuple[int, int]:
    """Return the first sample of a segment and the one after its last, at most `n_samples`.

    Parameters
    ----------
    where
        The recording, for messages.
    n_samples, sample_rate
        Its length, and its rate in Hz.
    start, end
        `end` None is its end.

    Raises
    ------
    DataError
        The times are impossible, or end more than `TOLERANCE` after the recording, or no sample lies between them.
    """
    if fault := time_fault(start, end):
        raise DataError(f"{where}: a segment from {start} s to {end} s, {fault}; correct the times, or leave it out")
    seconds = n_samples / sample_rate
    first, last = round(start * sample_rate), n_samples if end is None else round(end * sample_rate)
    if first >= n_samples or last <= first:
        raise DataError(f"{where}: nothing between {start} s and {end} s; it lasts {seconds} s")
    if last > n_samples + TOLERANCE * sample_rate:
        fault = f"a segment from {start} s to {end} s, but it lasts {seconds:.3f} s"
        raise DataError(f"{where}: {fault}; correct the times, or leave it out")
    return first, min(last, n_samples)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
