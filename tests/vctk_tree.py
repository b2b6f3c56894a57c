"""Small VCTK trees of either release, with the oddities of the published ones.

Both releases have the same utterances, but that `s5` is only in 0.92.
"""

import io
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import librosa
import numpy as np
import soundfile
from corpus import voice

RATE = 48000
SAMPLE = Path(__file__).resolve().parents[1] / "../shared/speech/vctk_sample/VCTK-Corpus"

NUMBERS = {
    "p225": range(20, 32),
    "p226": range(20, 24),  # of the sentences that all speakers read, and no others
    "p280": range(20, 32),
    "p315": range(20, 32),
    "p362": [n for n in range(20, 32) if n not in (22, 27)],
    "s5": range(20, 32),
}
NO_TEXT = "p315"
TEXTS_ALONE = ("p362_022", "p362_027")
NO_MIC1 = ("p362_026",)
NO_MIC2 = ("p362_025", *(f"{speaker}_{n:03d}" for speaker in ("p280", "p315") for n in NUMBERS[speaker]))
NO_ROW = {"0.80": "p280", "0.92": "p226"}
GENDERS = {"p225": "f", "p226": "m", "p280": "f", "p315": "m", "p362": "f", "s5": "f"}
SPACED_TEXT, LATIN1_TEXT = "p225_020", "p225_021"

SPEAKERS_080 = """\
ID  AGE  GENDER  ACCENTS  REGION  
225  23  F    English    Southern  England
226  22  M    English    Surrey
315  18  M    American  New  England
362  29  F    American  
"""  # noqa: W291
SPEAKERS_092 = """\
ID  AGE  GENDER  ACCENTS  REGION COMMENTS
p225  23  F    English    Southern  England
p280  25  F    Unknown    France (mic2 files unavailable)
p315  18  M    American  New England (Text and mic2 files unavailable)
p362  29  F    American
s5    21  F    British
"""


def utt_ids(version: str) -> list[str]:
    """Return the utterances that the tree of a release has recordings of."""
    speakers = {speaker: numbers for speaker, numbers in NUMBERS.items() if version == "0.92" or speaker != "s5"}
    return [f"{speaker}_{n:03d}" for speaker, numbers in speakers.items() for n in numbers]


def recordings(count: int = 4, seconds: float = 0.6) -> list[np.ndarray]:
    """Return short recordings at 48 kHz: of real speech, its loudest part, where there is any."""
    paths = sorted((SAMPLE / "wav48").glob("*/*_023.wav"))[:count]
    if not paths:
        return [voice(120.0 + 30 * n, n, seconds, RATE) for n in range(count)]
    loudest = []
    for path in paths:
        samples, _ = soundfile.read(path, dtype="float32")
        length = round(seconds * RATE)
        power = np.cumsum(samples**2)
        start = int(np.argmax(power[length:] - power[:-length]))
        loudest.append(samples[start : start + length])
    return loudest


def write_092(folder: Path, samples: Sequence[np.ndarray]) -> Path:
    """Write release 0.92: FLAC of two microphones, and what a Mac leaves behind."""
    encoded = [_encoded(one, "FLAC") for one in samples]
    for index, utt_id in enumerate(utt_ids("0.92")):
        for mic, without in (("1", NO_MIC1), ("2", NO_MIC2)):
            if utt_id not in without:
                path = recording(folder, utt_id, mic)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encoded[index % len(encoded)])
    _write_texts(folder, utt_ids("0.92"))
    (folder / "speaker-info.txt").write_text(SPEAKERS_092)
    (folder / "wav48_silence_trimmed/log.txt").write_text("log\n")
    for litter in ("wav48_silence_trimmed/p225/._p225_020_mic1.flac", "wav48_silence_trimmed/.DS_Store"):
        (folder / litter).write_bytes(b"\0\5\x16\7")
        (folder / "__MACOSX" / litter).parent.mkdir(parents=True, exist_ok=True)
        (folder / "__MACOSX" / litter).write_bytes(b"\0\5\x16\7")
    return folder


def write_080(folder: Path, samples: Sequence[np.ndarray], silence: float = 0.0) -> Path:
    """Write release 0.80: WAV with `silence` seconds of faint noise at both ends, and a file of raw samples."""
    noise = 1e-4 * np.random.default_rng(0).standard_normal(round(silence * RATE))
    encoded = [_encoded(np.concatenate([noise, one, noise]), "WAV") for one in samples]
    for index, utt_id in enumerate(utt_ids("0.80")):
        path = recording(folder, utt_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded[index % len(encoded)])
    (folder / "wav48/p225/p225_295.raw").write_bytes(bytes(100))
    _write_texts(folder, utt_ids("0.80"))
    (folder / "speaker-info.txt").write_text(SPEAKERS_080)
    return folder


def write_archive(tree: Path, version: str, folder: Path) -> Path:
    """Pack a tree as its release is published: 0.80 under a top folder, 0.92 without one."""
    folder.mkdir(exist_ok=True)
    if version == "0.80":
        path = folder / "VCTK-Corpus.tar.gz"
        with tarfile.open(path, "w:gz", compresslevel=1) as tar:
            tar.add(tree, "VCTK-Corpus")
        return path
    path = folder / "VCTK-Corpus-0.92.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for member in sorted(tree.rglob("*")):
            zipped.write(member, member.relative_to(tree))
    return path


def recording(folder: Path, utt_id: str, mic: str | None = None) -> Path:
    """Return where a recording is, in 0.80 without `mic` and in 0.92 with it."""
    speaker = utt_id.partition("_")[0]
    if mic:
        return folder / "wav48_silence_trimmed" / speaker / f"{utt_id}_mic{mic}.flac"
    return folder / "wav48" / speaker / f"{utt_id}.wav"


def _encoded(samples: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, librosa.util.normalize(samples) * 0.5, RATE, format=kind, subtype="PCM_16")
    return buffer.getvalue()


def _write_texts(folder: Path, spoken: list[str]) -> None:
    for utt_id in (*spoken, *TEXTS_ALONE):
        speaker = utt_id.partition("_")[0]
        if speaker != NO_TEXT:
            path = folder / "txt" / speaker / f"{utt_id}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"Sentence {utt_id}.\n", newline="")
    (folder / "txt/p225" / f"{SPACED_TEXT}.txt").write_bytes(b"  Please\tcall \xe2\x80\x9cStella\xe2\x80\x9d. \r\n\r\n")
    (folder / "txt/p225" / f"{LATIN1_TEXT}.txt").write_bytes(b"The caf\xe9.\n")
