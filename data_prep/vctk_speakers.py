"""The speakers' genders from VCTK's speaker-info.txt, and the encodings of VCTK's text files."""

from pathlib import Path

from sqspeech.errors import DataError


def read_genders(path: Path) -> dict[str, str]:
    """Return "m" or "f" by speaker id, from the `ID AGE GENDER ...` rows of either release.

    The ids of release 0.80 are bare numbers, "225" for p225. Accent, region and comment are free text, with spaces
    or missing, and are not read; a row whose third field is not M or F, such as the heading, is skipped.
    """
    genders: dict[str, str] = {}
    for line in read_text(path).splitlines():
        fields = line.split()
        if len(fields) > 2 and fields[2].lower() in ("m", "f"):
            spk_id = f"p{fields[0]}" if fields[0].isdecimal() else fields[0]
            genders[spk_id] = fields[2].lower()
    return genders


def read_text(path: Path) -> str:
    """Return a file's text, in UTF-8 or else in Latin-1; a file that cannot be read is a DataError."""
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); fetch it again") from error
    try:
        return contents.decode("utf-8-sig")
    except UnicodeDecodeError:
        return contents.decode("latin-1")
