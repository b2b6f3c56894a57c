"""The messages that the page on troubleshooting quotes are those of the code."""

import ast
import re
from collections.abc import Iterator

import pytest
from examples import ROOT

PAGE = ROOT / "docs/reference/troubleshooting.md"
# The first cell of a row, between as many backticks as it needs.
QUOTED = re.findall(r"^\| (`+) ?(.*?) ?\1 \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
MESSAGES = [message for _, message in QUOTED]


def texts(tree: ast.Module) -> Iterator[str]:
    """Yield every text of a module, with … for what is filled in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(value.value if isinstance(value, ast.Constant) else "…" for value in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.fixture(scope="module")
def of_the_code() -> list[str]:
    paths = [path for package in ("sqspeech", "data_prep") for path in (ROOT / package).rglob("*.py")]
    return [text for path in paths for text in texts(ast.parse(path.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_quoted_message_is_one_of_the_code(message, of_the_code):
    words = message.strip("…")
    assert len(words) > 12
    assert any(words in text for text in of_the_code)


def test_there_are_many_and_each_is_quoted_once():
    assert len(MESSAGES) > 60
    assert len(set(MESSAGES)) == len(MESSAGES)
