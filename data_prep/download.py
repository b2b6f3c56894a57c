"""Fetch a corpus, or print how to ask for it.

`python -m data_prep.download vctk` fetches the VCTK 0.92 archive and prints its path as the last line of standard
output; run again after an interruption, it continues. `python -m data_prep.download zerospeech2019` prints where to
ask for that corpus, because its users must accept its licence themselves.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from data_prep.command import run
from data_prep.http_range import Source
from data_prep.transfer import fetch

# The digest is that which torchaudio's VCTK_092 checks.
VCTK = Source(
    url="https://datashare.is.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip",
    sha256="f96258be9fdc2cbff6559541aae7ea4f59df3fcaf5cf963aae5ca647357e359c",
    size=11_747_302_977,
)
VCTK_LICENCE = "VCTK 0.92 is licensed under CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)"
ZEROSPEECH_LANGUAGES = ("english", "surprise")
ZEROSPEECH_LAYOUT = ("train/unit", "train/voice", "test", "vads.txt")
ZEROSPEECH = """\
The ZeroSpeech 2019 corpus is licensed, so you have to ask for it yourself:
1. Read https://zerospeech.com, the 2019 challenge ("TTS without T"): register as its instructions say and accept the
   licence agreement on its data page, which then tells you how to fetch and open the archives.
   Questions go to contact@zerospeech.com.
2. Unpack the archives into one folder, {corpus}, so that it has
     english/train/{{unit,voice,parallel/{{source,voice}}}}/*.wav
     english/test/*.wav
     english/vads.txt
   and, if you want the surprise language, surprise/ with the same layout."""
ZEROSPEECH_NEXT = "Next: python -m data_prep.zerospeech2019 {corpus} DATA_DIR"


def cache_folder() -> Path:
    """Return `$XDG_CACHE_HOME/sqspeech`, or `~/.cache/sqspeech` where that variable is not an absolute path."""
    stated = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (stated if stated.is_absolute() else Path.home() / ".cache") / "sqspeech"


def vctk(cache: Path) -> Path:
    """Fetch the VCTK 0.92 archive into `cache` unless it is there, and return its path.

    Raises
    ------
    SqspeechError
        It cannot be fetched or stored (see `data_prep.transfer.fetch`).
    """
    archive = cache / VCTK.url.rpartition("/")[2]
    fetch(VCTK, archive)
    return archive


def zerospeech2019(corpus: Path | None) -> str:
    """Return how to get the corpus, or, where `corpus` already has its layout, that it is there."""
    shown = corpus or "CORPUS"
    missing = _missing(corpus) if corpus else []
    if corpus and not missing:
        lines = [f"{corpus}: the ZeroSpeech 2019 corpus is there."]
    else:
        lines = [ZEROSPEECH.format(corpus=shown), *(f"{shown} lacks {name}." for name in missing)]
    return "\n".join([*lines, ZEROSPEECH_NEXT.format(corpus=shown)])


def _missing(corpus: Path) -> list[str]:
    """Return what `corpus`, or the 2019 in it, lacks of the languages that it has; of English where it has none."""
    root = corpus / "2019" if (corpus / "2019").is_dir() else corpus
    languages = [name for name in ZEROSPEECH_LANGUAGES if (root / name).exists()] or ZEROSPEECH_LANGUAGES[:1]
    wanted = [f"{language}/{name}" for language in languages for name in ZEROSPEECH_LAYOUT]
    return [name for name in wanted if not (root / name).exists()]


def main(
    name: Annotated[Literal["vctk", "zerospeech2019"], typer.Argument(help="The corpus to get.")],
    cache: Annotated[
        Path | None,
        typer.Option(help="vctk: folder for the archive, 11.7 GB; by default sqspeech in the user's cache."),
    ] = None,
    corpus: Annotated[Path | None, typer.Option(help="zerospeech2019: folder that has it, or will have it.")] = None,
) -> None:
    """Fetch a corpus, or print how to ask for it."""
    if cache and name != "vctk":
        raise typer.BadParameter(f"{name} is not fetched, so nothing is cached", param_hint="--cache")
    if corpus and name != "zerospeech2019":
        raise typer.BadParameter(f"{name} is fetched to --cache", param_hint="--corpus")
    if name == "zerospeech2019":
        print(zerospeech2019(corpus))
        return
    print(VCTK_LICENCE, flush=True)
    print(vctk(cache or cache_folder()))


if __name__ == "__main__":
    run(main)
