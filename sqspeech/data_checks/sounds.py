"""Findings from the measured audio of a corpus."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from sqspeech.data.crops import CONTEXT, CropConfig
from sqspeech.data.data_dir import Utterance
from sqspeech.data.findings import Finding, Treatment, error, warning
from sqspeech.data_checks.recordings import CLIPPED_RUN, Sound
from sqspeech.features import LogMelConfig

# dB below full scale.
QUIET_DB = -50.0
FEATURES, CROPS = LogMelConfig(), CropConfig()


def check_sounds(sounds: Sequence[Sound]) -> Iterator[Finding]:
    """Yield what is wrong with the audio, held to the default features and crops."""
    for check in CHECKS:
        yield from check(sounds)


def resampled_length(n_samples: int, sample_rate: int, target_rate: int) -> int:
    """Return how many samples `sqspeech.audio.resample` makes of `n_samples`."""
    # In this order, as rounding depends on it.
    return math.ceil(n_samples * (target_rate / sample_rate))


def repeated(digests: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
    """Yield each id whose digest an earlier one has, with that earlier id."""
    first: dict[bytes, str] = {}
    for utt_id, digest in digests:
        other = first.setdefault(digest, utt_id)
        if other != utt_id:
            yield utt_id, other


def clipped_to_file(sound: Sound) -> Utterance:
    """Return the utterance with an end no later than that of its recording."""
    if not _overshoots(sound):
        return sound.utterance
    return replace(sound.utterance, end=sound.file_samples / sound.sample_rate)


def _id(sound: Sound) -> str:
    return sound.utterance.utt_id


def _overshoots(sound: Sound) -> bool:
    end = sound.utterance.end
    return end is not None and round(end * sound.sample_rate) > sound.file_samples


def _overshoot(sounds: Sequence[Sound]) -> Iterator[Finding]:
    for sound in filter(_overshoots, sounds):
        detail = f"ends at {sound.utterance.end} s, its recording at {sound.file_samples / sound.sample_rate} s"
        fix = "end it with the recording"
        yield warning("segments that end a little after their recording", _id(sound), detail, fix, Treatment.CORRECTED)


def _silence(sounds: Sequence[Sound]) -> Iterator[Finding]:
    for sound in sounds:
        if sound.low == sound.high:
            detail = f"every sample is {sound.low:g}"
            yield error("digital silence", _id(sound), detail, "record it again, or leave it out")


def _length(sounds: Sequence[Sound]) -> Iterator[Finding]:
    shortest, crop = FEATURES.n_fft // 2 + 1, CROPS.frames + CONTEXT
    for sound in sounds:
        length = resampled_length(sound.n_samples, sound.sample_rate, FEATURES.sample_rate)
        frames = 1 + length // FEATURES.hop_length
        if length < shortest:
            detail = f"{length} samples at {FEATURES.sample_rate} Hz; at least {shortest} are needed"
            yield error("too short for features", _id(sound), detail, "leave it out")
        elif frames < crop:
            detail = f"{frames} frames; a crop with its context has {crop}"
            yield warning("shorter than a training crop", _id(sound), detail, "leave it out of the training set")


def _sample_rate(sounds: Sequence[Sound]) -> Iterator[Finding]:
    rates = Counter(sound.sample_rate for sound in sounds)
    usual = max(rates, key=lambda rate: (rates[rate], rate), default=0)
    for sound in sounds:
        rate = sound.sample_rate
        if rate != usual:
            fix = "resample from the originals at one rate, or see that no split separates them"
            yield warning("another sample rate than most", _id(sound), f"{rate} Hz, not {usual} Hz", fix)
        if rate < FEATURES.sample_rate:
            detail = f"{rate} Hz: nothing above {rate / 2:g} Hz, where features of {FEATURES.sample_rate} Hz have bands"
            fix = "fetch the original, or lower features.sample_rate and features.fmax"
            yield warning("a sample rate below that of the features", _id(sound), detail, fix)


def _channels(sounds: Sequence[Sound]) -> Iterator[Finding]:
    for sound in sounds:
        if sound.channel is not None:
            fix = f"write channel {sound.channel + 1} alone; features are of it"
            yield warning("channels that cancel each other", _id(sound), f"{sound.channels} channels", fix)
        elif sound.channels > 1:
            fix = "write one channel; features are of their mean"
            yield warning("more than one channel", _id(sound), f"{sound.channels} channels", fix)


def _lost(sounds: Sequence[Sound]) -> Iterator[Finding]:
    for sound in sounds:
        if sound.lost:
            fix = "look at the file; its header may be wrong"
            yield warning("audio that is not read to the end of its file", _id(sound), sound.lost, fix)


def _clipping(sounds: Sequence[Sound]) -> Iterator[Finding]:
    for sound in sounds:
        if sound.clipped:
            detail = f"{sound.clipped} times {CLIPPED_RUN} neighbouring samples at full scale"
            yield warning("clipping", _id(sound), detail, "record it again at a lower level where it can be")


def _level(sounds: Sequence[Sound]) -> Iterator[Finding]:
    for sound in sounds:
        peak = max(abs(sound.low), abs(sound.high))
        if sound.low < sound.high and 20 * math.log10(peak) < QUIET_DB:
            detail = f"the peak is {20 * math.log10(peak):.1f} dB of full scale"
            yield warning("very quiet", _id(sound), detail, "look whether there is speech in it")


def _duplicates(sounds: Sequence[Sound]) -> Iterator[Finding]:
    digests = ((_id(sound), sound.digest) for sound in sounds if sound.low < sound.high)
    for utt_id, other in repeated(digests):
        fix = "keep the one whose id is right"
        yield warning("the same audio as another utterance", utt_id, f"that of {other}", fix, Treatment.LEFT_OUT)


# To check something else, add a function here.
CHECKS: tuple[Callable[[Sequence[Sound]], Iterator[Finding]], ...] = (
    _overshoot,
    _silence,
    _length,
    _sample_rate,
    _channels,
    _lost,
    _clipping,
    _level,
    _duplicates,
)
