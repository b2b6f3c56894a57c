"""Collect the sources of the site in a folder: `python docs/generate FOLDER`.

They are files of the repository under their paths in it, so that a link is the same in a checkout and on the site, and
the pages that are made from the code.
"""

import shutil
import sys
from pathlib import Path

import commands
import configuration
import formulas
import names

ROOT = Path(__file__).parents[2]
# Pages, and what they show or link to.
TEXTS = ("*.md", "docs/**/*.md", "sqspeech/*/README.md", "recipes/*/*.md", "benchmarks/*.md")
OTHERS = ("recipes/*/*.png", "recipes/*/*.csv", "CITATION.cff")


def collect(folder: Path) -> None:
    """Write the sources to a folder, in place of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in (path for pattern in TEXTS + OTHERS for path in ROOT.glob(pattern)):
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            target.write_text(formulas.with_mathml(path.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            shutil.copyfile(path, target)
    made = {"commands": commands.page(), "configuration": configuration.page()}
    made |= {f"names/{name}": text for name, text in names.pages().items()}
    for name, text in made.items():
        target = folder / f"docs/reference/{name}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    collect(Path(sys.argv[1]))
