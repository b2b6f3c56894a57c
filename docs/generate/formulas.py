"""Formulas as MathML, which browsers draw without a script."""

import re

from latex2mathml.converter import convert

# Code, which stays as it is; then $$x$$ and $x$.
PARTS = re.compile(
    r"^```.*?^```|`[^`\n]*`|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\s](?:[^$]*[^$\s])?)\$", re.DOTALL | re.MULTILINE
)


def with_mathml(text: str) -> str:
    """Return a page with its formulas as MathML."""
    return PARTS.sub(_mathml, text)


def _mathml(found: re.Match[str]) -> str:
    if block := found["block"]:
        return convert(block.strip(), display="block")
    return convert(found["inline"]) if found["inline"] else found[0]
