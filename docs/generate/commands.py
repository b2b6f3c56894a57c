"""The page of the commands, from the command line itself."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from sqspeech.cli import app

INTRODUCTION = """# Commands

`sqspeech --help` lists the commands, and `sqspeech COMMAND --help` prints what follows. The exit status is 0; 1 after
an error, which is one line on standard error; 2 where the command line is wrong; 75 where a training was stopped and
can go on; 130 after Ctrl-C and 143 after SIGTERM.
"""


def page() -> str:
    """Return the page in Markdown."""
    commands = get_command(app).commands
    return "\n".join([INTRODUCTION, *(line for name in commands for line in _command(name, commands[name]))])


def _command(name: str, command: Any) -> Iterator[str]:
    context = command.make_context(f"sqspeech {name}", [], resilient_parsing=True)
    usage = " ".join([context.info_name, *command.collect_usage_pieces(context)])
    yield f"## {name}\n\n{command.help}\n\n```text\n{usage}\n```\n"
    records = [(p.param_type_name, p.get_help_record(context)) for p in command.get_params(context)]
    for kind in ("argument", "option"):
        rows = [record for of, record in records if of == kind and record and record[0] != "--help"]
        if rows:
            yield f"| {kind} | |\n| --- | --- |"
            yield from (f"| `{names}` | {_cell(text)} |" for names, text in rows)
            yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "&#124;")
