"""The documentation site is built without a warning, every link leads somewhere, every command and name is there."""

import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from cli_options import OPTIONS
from examples import ROOT
from test_public_api import NAMES


class Page(HTMLParser):
    """The anchors of a page, what it links to, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors, self.links, self.loaded = {""}, list[str](), list[str]()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag in ("img", "script", "link") and found.get("rel") not in ("canonical", "next", "prev"):
            self.loaded += [found[name] for name in ("src", "href") if name in found]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    for command in ([str(ROOT / "docs/generate"), "site/source"], ["-m", "zensical", "build", "--strict"]):
        done = subprocess.run([sys.executable, *command], cwd=folder, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site/html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(site, pages):
    dead = []
    for path, page in pages.items():
        assert not [target for target in page.loaded if urlsplit(target).netloc], path
        for target in {*page.links, *page.loaded}:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            file = file / "index.html" if file.is_dir() else file
            known = pages[file].anchors if file in pages else {unquote(parts.fragment)}
            if not file.exists() or unquote(parts.fragment) not in known:
                dead.append(f"{path.relative_to(site)}: {target}")
    assert not dead


def test_no_table_and_no_inclusion_is_left_as_text(pages):
    for path in pages:
        article = path.read_text(encoding="utf-8").partition("<article")[2]
        assert "| ---" not in article, path
        assert "--8&lt;--" not in article, path


def test_every_command_and_option_is_there(site):
    text = (site / "docs/reference/commands.html").read_text(encoding="utf-8")
    sections = {part.partition('"')[0]: part for part in text.split('<h2 id="')[1:]}
    assert set(sections) >= set(OPTIONS)
    for command, options in OPTIONS.items():
        assert not [option for option in options if option not in sections[command]], command


def test_every_public_name_is_there(pages):
    anchors = set().union(*(page.anchors for page in pages.values()))
    wanted = {f"sqspeech.{module}.{name}" for name, module in NAMES.items() if module}
    assert not wanted - anchors
    for module in ("audio", "features", "quantizers", "units", "vocoders"):
        assert any(anchor.startswith(f"sqspeech.{module}.") for anchor in anchors)


def test_formulas_are_drawn_and_no_dollar_is_left(site):
    text = (site / "docs/concepts/sqvae.html").read_text(encoding="utf-8")
    assert text.count("<math") > 20
    assert "$" not in text.partition("<article")[2].partition("</article")[0]
