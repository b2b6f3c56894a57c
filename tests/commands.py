"""Commands that run within a test."""

from typer.testing import CliRunner

from sqspeech import cli


def run(*arguments: object) -> str:
    """Return what a command prints; raise the error that it ends with."""
    outcome = CliRunner().invoke(cli.app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output
