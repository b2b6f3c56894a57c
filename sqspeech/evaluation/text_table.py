"""Tables as text for a terminal."""

import io

from rich.console import Console
from rich.table import Table

# Of a column; it is narrower where its cells are.
WIDEST = 30


def table_text(table: Table) -> str:
    """Return a table as lines of text, whatever the width of the terminal."""
    text = io.StringIO()
    Console(file=text, width=WIDEST * len(table.columns)).print(table)
    return text.getvalue().rstrip()


def with_spread(value: float, spread: float | None) -> str:
    """Return a mean and its standard deviation, where there is one."""
    return f"{value:.4g}" if spread is None else f"{value:.4g} ± {spread:.2g}"
