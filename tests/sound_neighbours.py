"""Sound files with one fault each, made by surgery on the bytes of sound ones."""

import io
import struct
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import soundfile

RATE, COUNT = 16000, 9001
SAMPLES = (np.random.default_rng(0).uniform(-0.5, 0.5, COUNT) * 32768).astype(np.int16)
OTHER = SAMPLES[:7000][::-1].copy()
TRUNCATED = r"truncated, \d+ of \d+ "

type Row = tuple[str, bytes, int | str, str]


def encoded(form: str, subtype: str = "PCM_16", samples: np.ndarray = SAMPLES, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def put(content: bytes, at: int, form: str, *values: int) -> bytes:
    patch = struct.pack(form, *values)
    return content[:at] + patch + content[at + len(patch) :]


def id3v2(length: int) -> bytes:
    return (
        b"ID3\4\0\0" + bytes([length >> 21 & 127, length >> 14 & 127, length >> 7 & 127, length & 127]) + b"x" * length
    )


ID3V1 = b"TAG" + b"title".ljust(125, b"\0")

# Where each format states how much there is: the offset of the field from a marker, and its type.
SIZES: dict[str, tuple[bytes, int, str]] = {
    "WAV": (b"data", 4, "<I"),
    "WAVEX": (b"data", 4, "<I"),
    "RF64": (b"ds64", 16, "<q"),
    "W64": (b"data", 16, "<q"),
    "AIFF": (b"SSND", 4, ">I"),
    "AU": (b".snd", 8, ">I"),
    "CAF": (b"data", 4, ">q"),
}
PIPES = {"<I": (0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFDB), "<q": (0, -1), ">q": (0, -1)}
PIPES[">I"] = PIPES["<I"]


def stating(form: str, content: bytes, value: int) -> bytes:
    marker, offset, field = SIZES[form]
    return put(content, content.index(marker) + offset, field, value)


def containers() -> Iterator[Row]:
    """Yield formats that state their number of bytes: what it is called, the file, what is right, the note."""
    for form in (*SIZES, "NIST"):
        whole = encoded(form)
        yield f"{form} cut", whole[: len(whole) * 2 // 3], TRUNCATED, ""
        yield f"{form} cut by a byte", whole[:-1] if form != "CAF" else whole[: -1 - len(whole) % 4096], TRUNCATED, ""
        yield f"{form} twice", whole + whole, 2 * COUNT, ""
        yield f"{form} and another", whole + encoded(form, samples=OTHER), COUNT + len(OTHER), ""
        yield f"{form} with zeros", whole + bytes(5000), COUNT, ""
        yield f"{form} with junk", whole + b"\xfe\x01" * 500, COUNT, "1000 bytes behind the end"
        yield f"{form} behind a tag", id3v2(700) + whole, COUNT, ""
        yield f"{form} of two rates", whole + encoded(form, rate=8000), "joined of .* 16000 Hz and .* 8000 Hz", ""
    for form, (_, _, field) in SIZES.items():
        for value in PIPES[field]:
            yield f"{form} stating {value:#x}", stating(form, encoded(form), value), COUNT, ""
    for subtype in ("PCM_24", "FLOAT", "ULAW", "ALAW"):
        for form in ("WAV", "W64", "AIFF", "AU", "CAF", "NIST", "RF64"):
            if soundfile.check_format(form, subtype) and (form, subtype) != ("NIST", "FLOAT"):
                whole = encoded(form, subtype)
                yield f"{form} {subtype} cut", whole[: len(whole) // 2], TRUNCATED, ""
    wav = encoded("WAV")
    chunk = b"LIST" + struct.pack("<I", 10) + b"INFOabcdef"
    yield "WAV with a chunk", wav + chunk, COUNT, ""
    yield "WAV without samples, with a chunk", encoded("WAV", samples=SAMPLES[:0]) + chunk, "no samples", ""
    yield "WAV of an unfinished recorder", put(put(wav, 4, "<I", 0), 40, "<I", 0), COUNT, ""
    yield "WAV whose header counts less", put(wav, 40, "<I", 8000), 4000, "10002 bytes behind the end"
    yield "BW64", b"BW64" + encoded("RF64")[4:], COUNT, ""
    yield "RIFX", rifx(), COUNT, ""
    yield "AIFF from a pipe", aiff_from_a_pipe(), COUNT, ""
    yield "WAV and AIFF", wav + b"\0" * (len(wav) % 2) + encoded("AIFF"), 2 * COUNT, ""


def rifx() -> bytes:
    form = struct.pack(">4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    data = SAMPLES.astype(">i2").tobytes()
    body = b"WAVE" + form + b"data" + struct.pack(">I", len(data)) + data
    return b"RIFX" + struct.pack(">I", len(body)) + body


def aiff_from_a_pipe() -> bytes:
    content = encoded("AIFF")
    content = put(put(content, 4, ">I", 0), content.index(b"SSND") + 4, ">I", 0)
    return put(content, content.index(b"COMM") + 10, ">I", 0)


def flac_stating(content: bytes, total: int) -> bytes:
    return content[:21] + bytes([content[21] & 0xF0]) + total.to_bytes(4) + content[26:]


def flacs() -> Iterator[Row]:
    flac, other = encoded("FLAC"), encoded("FLAC", samples=OTHER)
    unknown = flac_stating(flac, 0)
    yield "FLAC of unknown length", unknown, COUNT, ""
    yield "FLAC of unknown length, and another", unknown + other, COUNT + len(OTHER), ""
    yield "FLAC, and one of unknown length", other + unknown, COUNT + len(OTHER), ""
    yield "FLAC twice", flac + flac, 2 * COUNT, ""
    yield "FLAC three times", flac * 3, 3 * COUNT, ""
    yield "FLAC and another", flac + other, COUNT + len(OTHER), ""
    yield "FLAC that states more", flac_stating(flac, 50_000), TRUNCATED, ""
    yield "FLAC that states very much", flac_stating(flac, 2**31), TRUNCATED, ""
    yield "FLAC that states less", flac_stating(flac, 5000), COUNT, ""
    yield "FLAC behind a tag", id3v2(300) + flac, COUNT, ""
    yield "FLAC with a tag", flac + ID3V1, COUNT, ""
    for share in (0.1, 0.3, 0.6, 0.9):
        yield f"FLAC cut to {share}", flac[: int(len(flac) * share)], TRUNCATED, ""
    yield "FLAC of unknown length and two rates", unknown + encoded("FLAC", rate=8000), "joined of", ""


# Silence of MPEG audio, by name: the frame, and how many samples it has. All that is behind their headers is zero.
MPEG_FRAMES = {
    "MPEG 1 layer I": (b"\xff\xff\xc8\xc4", 12 * 384_000 // 32000 * 4, 384),
    "MPEG 1 layer II": (b"\xff\xfd\x88\xc4", 144 * 128_000 // 32000, 1152),
    "MPEG 1 layer III": (b"\xff\xfb\x98\xc4", 144 * 128_000 // 32000, 1152),
    "MPEG 2 layer II": (b"\xff\xf5\x88\xc4", 144 * 64_000 // 16000, 1152),
    "MPEG 2 layer III": (b"\xff\xf3\x88\xc4", 72 * 64_000 // 16000, 576),
    "MPEG 2.5 layer III": (b"\xff\xe3\x88\xc4", 72 * 64_000 // 8000, 576),
}


def silence(name: str, count: int) -> tuple[bytes, int]:
    header, size, samples = MPEG_FRAMES[name]
    return header.ljust(size, b"\0") * count, samples * count


def mp3() -> tuple[bytes, bytes, int]:
    """Return an MP3 of the samples, the same without the frame that counts the others, and the samples of those."""
    content = encoded("MP3", "MPEG_LAYER_III")
    (frames,) = struct.unpack_from(">I", content, max(content.find(b"Xing"), content.find(b"Info")) + 8)
    return content, content[content.index(content[:2], 4) :], 576 * frames


def mpegs() -> Iterator[Row]:
    for name in MPEG_FRAMES:
        frames, count = silence(name, 50)
        size = len(frames) // 50
        yield name, frames, count, ""
        yield f"{name} behind zeros", bytes(100_000) + frames, count, ""
        yield f"{name} with zeros", frames + bytes(20_000), count, ""
        yield f"{name} between tags", id3v2(5000) + frames + ID3V1, count, ""
        yield f"{name} in two, with tags", frames + ID3V1 + id3v2(300_000) + frames, 2 * count, ""
        yield f"{name} cut in a frame", frames[: -size // 2], count - count // 50, ""
        if "layer III" in name:
            yield f"{name} in WAV", mpeg_in_wav(frames), count, ""
    tagged, bare, decoded = mp3()
    yield "MP3 without a tag", bare, decoded, ""
    yield "MP3 without a tag, behind one with it", tagged + bare, COUNT + decoded, ""
    yield "MP3", tagged, COUNT, ""
    yield "MP3 twice", tagged * 2, 2 * COUNT, ""
    yield "MP3 five times", tagged * 5, 5 * COUNT, ""
    yield "MP3 with a tag", tagged + ID3V1, COUNT, ""
    yield "MP3 behind a tag", id3v2(20_000) + tagged, COUNT, ""
    yield "MP3 cut", tagged[: len(tagged) // 2], TRUNCATED, ""
    other, count = silence("MPEG 2 layer III", 30)
    yield "MP3 and one without a tag", tagged + other, COUNT + count, ""
    yield "MP3 and another rate", tagged + silence("MPEG 2.5 layer III", 30)[0], "joined of", ""


def mpeg_in_wav(frames: bytes) -> bytes:
    rate = {3: 32000, 2: 16000, 0: 8000}[frames[1] >> 3 & 3]
    form = struct.pack("<4sIHHIIHHHHIHHH", b"fmt ", 30, 0x55, 1, rate, 8000, 1, 0, 12, 1, 2, 1152, 1, 0)
    body = b"WAVE" + form + b"data" + struct.pack("<I", len(frames)) + frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def oggs() -> Iterator[Row]:
    for subtype in ("VORBIS", "OPUS"):
        one, other = encoded("OGG", subtype), encoded("OGG", subtype, OTHER)
        yield f"{subtype} twice", one + one, 2 * COUNT, ""
        yield f"{subtype} and another", one + other, COUNT + len(OTHER), ""
        yield f"{subtype} of two rates", one + encoded("OGG", subtype, rate=24000), "joined of", ""


def rows() -> list[Row]:
    makers: tuple[Callable[[], Iterator[Row]], ...] = (containers, flacs, mpegs, oggs)
    return [row for maker in makers for row in maker()]


UNREAD = {
    "m4a": (b"\0\0\0\x20ftypM4A \0\0\2\0M4A mp42isom", "MP4"),
    "3gp": (b"\0\0\0\x14ftyp3gp4", "MP4"),
    "wma": (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "Windows Media"),
    "webm": (bytes.fromhex("1a45dfa3010000000000001f"), "Matroska or WebM"),
    "amr": (b"#!AMR\n\x3c", "AMR"),
    "silk": (b"\x02#!SILK_V3", "SILK"),
    "ape": (b"MAC \x96\x0f", "Monkey"),
    "wavpack": (b"wvpk\x9e\0\0\0", "WavPack"),
    "dsf": (b"DSD \x1c", "DSD"),
    "ra": (b".ra\xfd\0\4", "RealAudio"),
    "shorten": (b"ajkg\2", "Shorten"),
    "tta": (b"TTA1\1\0", "True Audio"),
    "aac": (b"\xff\xf1\x50\x80", "AAC"),
    "avi": (b"RIFF\0\1\0\0AVI LIST", "AVI"),
    "speex": (b"OggS\0\2" + bytes(20) + b"\1\x50Speex   1.2.1", "Speex"),
    "flac in ogg": (b"OggS\0\2" + bytes(20) + b"\1\x33\x7fFLAC\1\0", "FLAC in Ogg"),
    "g726": (
        b"RIFF\x64\0\0\0WAVEfmt \x10\0\0\0\x45\0\1\0\x40\x1f\0\0\xa0\x0f\0\0\1\0\4\0data\x40\0\0\0" + bytes(64),
        "G.726"),
    "shortened sphere": (
        (b"NIST_1A\n   1024\nsample_count -i 100\nsample_n_bytes -i 2\nchannel_count -i 1\n"
         b"sample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n").ljust(1024) + b"ajkg\2", "SPHERE compressed"),
}  # fmt: skip
NO_SOUND = {
    "midi": (b"MThd\0\0\0\6", "MIDI"),
    "html": (b"<!DOCTYPE html><html><title>404</title>", "a page of text"),
    "xml": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "a page of text"),
    "json": (b'{"error": "not found"}', "a page of text"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
    "zip": (b"PK\3\4\x14\0", "unpack"),
    "gzip": (b"\x1f\x8b\x08\0", "unpack"),
    "tar": (b"a.wav".ljust(257, b"\0") + b"ustar\x0000", "unpack"),
    "pdf": (b"%PDF-1.7", "PDF"),
}
# Encodings that go forward alone, or to their beginning at most.
FORWARD = [
    *(("WAV", subtype) for subtype in ("GSM610", "G721_32", "NMS_ADPCM_16", "NMS_ADPCM_24", "NMS_ADPCM_32")),
    *product(("AIFF", "W64"), ("GSM610",)),
    *product(("AU",), ("G721_32", "G723_24", "G723_40")),
    *product(("AIFF",), ("DWVW_16", "DWVW_24")),
]
