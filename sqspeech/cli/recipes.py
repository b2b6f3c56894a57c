"""Recipes."""

from pathlib import Path
from typing import Annotated

import typer

from sqspeech.errors import SqspeechError

# Folders that a run of a recipe makes in its own.
MADE = ("downloads", "data", "dump", "exp")


def recipes(
    name: Annotated[str | None, typer.Argument(help="A recipe; without one they are listed.")] = None,
    folder: Annotated[Path, typer.Argument(help="The folder that gets NAME/ and stages.sh.")] = Path("recipes"),
) -> None:
    """List the recipes, or copy one with its configurations to a folder of yours, to be run and changed there."""
    source = _folder()
    known = {run.parent.name: _title(run) for run in sorted(source.glob("*/run.sh"))}
    if name is None:
        width = max(map(len, known))
        print("\n".join(f"{recipe:{width}}  {title}" for recipe, title in known.items()))
        return
    if name not in known:
        raise SqspeechError(f"{name}: no such recipe; there are {', '.join(known)}")
    if (folder / name).exists():
        raise SqspeechError(f"{folder / name}: exists already; move it, or name another folder")
    _copy(source, name, folder)
    print(f"{folder / name}: run {folder / name / 'run.sh'} --help")


def _folder() -> Path:
    """Return the folder of the recipes: in the installed package, or at the root of a checkout."""
    package = Path(__file__).parents[1]
    return next(path for path in (package / "recipes", package.parent / "recipes") if path.is_dir())


def _title(run: Path) -> str:
    return run.read_text(encoding="utf-8").splitlines()[1].removeprefix("# ")


def _copy(source: Path, name: str, folder: Path) -> None:
    import shutil

    from sqspeech.atomic import scratch_folder

    with scratch_folder(folder) as scratch:
        shutil.copytree(source / name, scratch / name, ignore=shutil.ignore_patterns(*MADE))
        shutil.copy(source / "stages.sh", scratch)
        (scratch / "stages.sh").replace(folder / "stages.sh")
        (scratch / name).rename(folder / name)
