"""Inputs with one hostile neighbour among good recordings, made from a number."""

import io
import os
import random
from pathlib import Path

import numpy as np
import soundfile
from corpus import voice

# Ids, and the stems of files, that lead somewhere else, hide, or are of bytes that are no text.
NAMES = [
    *(
        "../../x",
        "/x",
        "s1/x",
        "a/../../../b",
        ".",
        "..",
        "...",
        ".hidden",
        "-rf",
        "--to",
        "~",
        "~root",
        "$HOME",
        "x;y",
    ),
    *("\\x", "..\\..\\x", "C:\\x", "C:x", "a\x01b", "a\x7fb", "%2e%2e%2fx", "%~0", "x%", "%", "a\u202eb", "e\u0301"),
    *("é" * 120, "x" * 250, "x" * 255, "x" * 4000, "a" * 251, "caf\udce9", "\udcff\udcfe", "con", "nul", "manifest"),
    *(
        "\ufeffx",
        "x\u200b",
        "𝒳",
        "|x",
        "x|",
        "a:5",
        "x.ark:5",
        "*",
        "?",
        "[x]",
        "{x}",
        "<x>",
        "'x'",
        '"x"',
        "`x`",
        "x\\n",
    ),
]
TIMES = [
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "0.1",
    "0.4",
    "0.8",
    "1.29",
    "1.31",
    "28",
    "1e300",
    "1e-300",
    "x",
    "0x1",
    "-0.0",
    "1_0",
]
TEXTS = [
    b"",
    b" ",
    b"caf\xe9",
    b"\xff\xfe",
    b"\xef\xbb\xbfx",
    b"a\x00b",
    "e\u0301".encode(),
    b"x" * 9000,
    b"\t\t",
    b"\r",
]
# In wav.scp, beside those that are there.
LOCATIONS = [
    name.removesuffix("|") for name in ["../../etc/passwd", "/dev/zero", "/", ".", "x.ark:5", "bad.wav:0", *NAMES]
]
TAILS = [b"\n", b"\r\n", b"", b"\n\n", b" \n", b"\x00\n"]
SECONDS = 0.5
GOOD = {"a-good": 120.0, "z-good": 210.0}


def samples(name: str) -> np.ndarray:
    """A good recording."""
    return voice(GOOD[name], 1, SECONDS)


def write_good(folder: Path) -> None:
    for name in GOOD:
        soundfile.write(folder / f"{name}.wav", samples(name), 16000)


def mutated_sound(rng: random.Random, path: Path) -> None:
    """Write a sound file whose bytes are not all as they should be."""
    form = rng.choice(["WAV", "FLAC", "OGG", "AIFF", "MP3"])
    sound, rate = io.BytesIO(), rng.choice([8000, 16000, 44100])
    soundfile.write(sound, voice(rng.uniform(80, 300), rng.randrange(9), 0.3), rate, format=form)
    content = bytearray(sound.getvalue())
    match rng.choice(["cut", "head", "flip", "insert", "repeat", "empty", "text", "sizes"]):
        case "cut":
            content = content[: rng.randrange(len(content))]
        case "head":
            for _ in range(rng.randrange(1, 9)):
                content[rng.randrange(min(64, len(content)))] = rng.randrange(256)
        case "flip":
            for _ in range(rng.randrange(1, 40)):
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        case "insert":
            at = rng.randrange(len(content))
            content[at:at] = rng.randbytes(rng.randrange(1, 99))
        case "repeat":
            content = content + content
        case "empty":
            content = bytearray()
        case "text":
            content = bytearray(rng.choice(TEXTS))
        case "sizes":
            at = rng.choice([4, 16, 24, 28, 32, 40])
            content[at : at + 4] = rng.choice([b"\0" * 4, b"\xff" * 4, b"\x01\0\0\0", rng.randbytes(4)])
    path.write_bytes(bytes(content))


def write_folder(rng: random.Random, folder: Path) -> None:
    """Write a folder of good recordings, with what else folders may hold."""
    folder.mkdir()
    write_good(folder)
    for number in range(rng.randrange(1, 4)):
        stem = rng.choice(NAMES).replace("/", "_").replace("\0", "_")
        path = (
            folder
            / rng.choice(["", f"sub{number}", f"sub {number}/deep"])
            / f"{stem}{rng.choice(['.wav', '.WAV', '.flac', '.mp3', '.txt', ''])}"
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            match rng.choice(["sound", "sound", "link", "loop", "broken", "fifo", "folder", "twin"]):
                case "sound":
                    mutated_sound(rng, path)
                case "link":
                    path.symlink_to(folder / "a-good.wav")
                case "loop":
                    (path.parent / f"loop{number}").symlink_to(folder)
                case "broken":
                    path.symlink_to("nowhere.wav")
                case "fifo":
                    os.mkfifo(path)
                case "folder":
                    path.mkdir()
                case "twin":
                    (folder / f"a-good{rng.choice(['.mp3', '.ogg'])}").write_bytes(rng.randbytes(99))
        except OSError:  # such as a name that no file can have
            continue


def write_data(rng: random.Random, folder: Path) -> None:
    """Write a data directory of good recordings and bad ones, with lines of anything, but neither too many nor few."""
    folder.mkdir()
    write_good(folder)
    mutated_sound(rng, folder / "bad.wav")
    bad = rng.sample(NAMES, 5)
    rows: dict[str, dict[str, bytes]] = {
        "wav.scp": {name: f"{name}.wav".encode() for name in GOOD}
        | {name: rng.choice([b"a-good.wav", b"bad.wav", os.fsencode(rng.choice(LOCATIONS))]) for name in bad},
        "utt2spk": {name: os.fsencode(name) for name in (*GOOD, *bad)},
    }
    if rng.random() < 0.5:
        rows["segments"] = {name: f"{name} 0 -1".encode() for name in GOOD}
        rows["segments"] |= {name: os.fsencode(f"{name} {rng.choice(TIMES)} {rng.choice(TIMES)}") for name in bad}
    if rng.random() < 0.5:
        rows["text"] = dict.fromkeys(GOOD, b"words") | {name: rng.choice(TEXTS) for name in bad}
    end, mark = rng.choice([b"\n", b"\r\n"]), rng.choice([b"", b"\xef\xbb\xbf"])
    for name, table in rows.items():
        lines = [os.fsencode(key) + b" " + value for key, value in sorted(table.items(), key=in_bytes)]
        (folder / name).write_bytes(mark + end.join(lines) + end)


def in_bytes(row: tuple[str, bytes]) -> bytes:
    """As LC_ALL=C sort orders the lines."""
    return os.fsencode(row[0])


def write_wild(rng: random.Random, folder: Path) -> None:
    """Write a data directory that may be beyond use: it may be refused, in a line."""
    write_data(rng, folder)
    for _ in range(rng.randrange(1, 4)):
        path = folder / rng.choice(["wav.scp", "utt2spk", "segments", "text", "spk2utt", "spk2gender"])
        content = path.read_bytes() if path.exists() else b""
        at = rng.randrange(len(content) + 1)
        piece = rng.choice([*TEXTS, *TAILS, rng.randbytes(5), b"a-good ", b" ../x"])
        path.write_bytes(content[:at] + piece + content[at + rng.randrange(4) :])


def write_table(rng: random.Random, folder: Path) -> Path:
    """Write a table of good recordings and bad rows."""
    folder.mkdir()
    write_good(folder)
    rows = [f"{name}.wav,{name},hello,,," for name in GOOD]
    for _ in range(rng.randrange(1, 4)):
        path, speaker, utt_id = (
            rng.choice(NAMES).replace('"', "").replace("\udce9", "").replace("\udcff\udcfe", "") for _ in range(3)
        )
        rows.insert(rng.randrange(3), f"{path},{speaker},text,{utt_id},{rng.choice(TIMES)},{rng.choice(TIMES)}")
    table = folder / f"t{rng.choice(['.csv', '.CSV'])}"
    lines = ["path,speaker,text,utt_id,start,end", *rows]
    table.write_bytes(rng.choice([b"", b"\xef\xbb\xbf"]) + rng.choice(["\n", "\r\n"]).join([*lines, ""]).encode())
    return table
