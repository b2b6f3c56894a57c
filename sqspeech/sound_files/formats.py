"""Formats that are not read, by how they begin, and names of those that are read in part."""

import struct

from sqspeech.errors import DataError
from sqspeech.sound_files import ogg
from sqspeech.sound_files.chunks import extent
from sqspeech.sound_files.faults import TruncatedError, UnreadFormatError, undecodable
from sqspeech.sound_files.source import Source

SOUND = {
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "Windows Media (WMA)",
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"#!AMR": "AMR",
    b"#!SILK": "SILK",
    b"\x02#!SILK": "SILK",
    b"MAC ": "Monkey's Audio (APE)",
    b"wvpk": "WavPack",
    b"DSD ": "DSD (DSF)",
    b"FRM8": "DSD (DSDIFF)",
    b".ra\xfd": "RealAudio",
    b".RMF": "RealMedia",
    b"ajkg": "Shorten",
    b"TTA1": "True Audio",
    b"TTA2": "True Audio",
    b"MPCK": "Musepack",
    b"MP+": "Musepack",
    b"OFR ": "OptimFROG",
    b"tBaK": "TAK",
    b"\x0b\x77": "AC-3",
    b"\x7f\xfe\x80\x01": "DTS",
    b"\xff\xf1": "AAC",
    b"\xff\xf9": "AAC",
    b"ADIF": "AAC",
    b"FLV\x01": "Flash video",
}
UNPACK, FETCH = "unpack it first", "fetch the recording again"
OTHER = {
    b"version https://git-lfs": ("a Git LFS pointer in place of the file", "fetch the file with git lfs pull"),
    b"/annex/objects": ("a git-annex pointer in place of the file", "fetch the file with git annex get"),
    b"MThd": ("MIDI, notes and no sound", "render it to WAV first"),
    b"PK\x03\x04": ("a zip archive", UNPACK),
    b"\x1f\x8b": ("compressed by gzip", UNPACK),
    b"BZh": ("compressed by bzip2", UNPACK),
    b"\xfd7zXZ\0": ("compressed by xz", UNPACK),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", UNPACK),
    b"7z\xbc\xaf": ("a 7z archive", UNPACK),
    b"Rar!": ("a rar archive", UNPACK),
    b"%PDF": ("a PDF", FETCH),
    b"\x89PNG": ("a picture", FETCH),
    b"\xff\xd8\xff": ("a picture", FETCH),
    b"\x93NUMPY": ("an array of NumPy", "write its samples as WAV first"),
}
PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head", b"{")
OGG = {
    b"Speex": "Speex in Ogg",
    b"\x7fFLAC": "FLAC in Ogg",
    b"OpusHead": "Opus in Ogg",
    b"\x01vorbis": "Vorbis in Ogg",
    b"\x80theora": "Ogg with video",
    b"fishead": "Ogg with a skeleton",
}
WAV = {
    0x45: "G.726",
    0x160: "WMA",
    0x161: "WMA",
    0xFF: "AAC",
    0x1610: "AAC",
    0x2000: "AC-3",
    0x2001: "DTS",
    0x22: "TrueSpeech",
}
OGG_READ = ("Opus in Ogg", "Vorbis in Ogg")
# Codes of WAV that libsndfile reads.
READ = (0x01, 0x02, 0x03, 0x06, 0x07, 0x11, 0x31, 0x38, 0x40, 0x50, 0x55)


def refuse_unread(source: Source, start: int) -> None:
    """Raise a DataError where a file is in a format that is not read, or no sound at all.

    Raises
    ------
    UnreadFormatError
        It is sound in a format that is not read.
    DataError
        It is something else, which is named with what to do about it.
    """
    begin = source.at(start, 512)
    if begin[4:8] == b"ftyp":
        raise UnreadFormatError(source.path, "MP4 (m4a, AAC)")
    if begin[:4] == b"RIFF" and begin[8:12] == b"AVI ":
        raise UnreadFormatError(source.path, "AVI video")
    for magic, name in SOUND.items():
        if begin.startswith(magic):
            raise UnreadFormatError(source.path, name)
    for magic, (name, remedy) in OTHER.items():
        if begin.startswith(magic):
            raise DataError(f"{source.path}: cannot decode, this is {name}; {remedy}")
    if begin[257:262] == b"ustar":
        raise DataError(f"{source.path}: cannot decode, this is a tar archive; {UNPACK}")
    if begin.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(PAGES):
        raise DataError(f"{source.path}: cannot decode, this is a page of text, such as of an error; {FETCH}")


def refused(source: Source, reason: str) -> DataError:
    """Return the error for a file that libsndfile refuses, of a container that it reads in part or that is unknown."""
    start = source.skip_tags(0)
    if source.at(start, 4) == b"OggS":
        return _refused_ogg(source, start, reason)
    found = extent(source, start)
    if found and found.code and found.code not in READ:
        return UnreadFormatError(source.path, f"WAV of {WAV.get(found.code, 'an encoding')} (0x{found.code:04x})")
    encoding = _encoding_of_aiff(source, start)
    return UnreadFormatError(source.path, f"AIFF of {encoding}") if encoding else undecodable(source.path, reason)


def _refused_ogg(source: Source, start: int, reason: str) -> DataError:
    page = source.at(start, 27 + 255 + 16)
    packet = page[27 + page[26] :] if len(page) > 27 else b""
    name = next((name for magic, name in OGG.items() if packet.startswith(magic)), "")
    if not name:
        return undecodable(source.path, reason)
    if name in OGG_READ and not ogg.ends(source):
        return TruncatedError(source.path, ogg.UNENDED)
    return UnreadFormatError(source.path, f"{name}{f' of an unusual form ({reason})' if name in OGG_READ else ''}")


def _encoding_of_aiff(source: Source, start: int) -> str:
    header = source.at(start, 512)
    at = header.find(b"COMM")
    if header[8:12] != b"AIFC" or at < 0 or len(header) < at + 30:
        return ""
    encoding: bytes = struct.unpack_from("4s", header, at + 26)[0]
    return encoding.decode(errors="replace") if encoding.isalnum() else ""
