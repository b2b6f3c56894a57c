"""Names, options, help, and the commands that need no model."""

import subprocess
import sys
from pathlib import Path

from cli_options import OPTIONS
from typer.main import get_command

from sqspeech import cli


def test_the_options_are_frozen():
    """A change here is a change for every script that calls the command line."""
    commands = get_command(cli.app).commands
    found = {
        name: {option for p in command.params for option in p.opts if option.startswith("-")} - {"--help"}
        for name, command in commands.items()
    }
    assert found == OPTIONS


def test_help_answers_without_torch():
    help_only = "from sqspeech.cli import app; app(['--help'], standalone_mode=False)"
    code = f"import sys; {help_only}; print('torch' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert process.stdout.endswith("False\n")


def test_usage_errors_end_with_two(run):
    assert run("convert").status == 2
    assert run("units", "x", "--fromat", "npz").status == 2


def test_version(run):
    from sqspeech import __version__

    assert run("--version").out.strip() == __version__


def test_doctor_finds_this_installation_sound(run):
    outcome = run("doctor")
    assert outcome.status == 0
    assert "torch devices: cpu" in outcome.out
    assert "MISSING" not in outcome.out
    assert "ok      extra eval" in outcome.out


def test_recipes_are_listed_and_copied(run, tmp_path):
    listed = [line.split()[0] for line in run("recipes").out.splitlines()]
    assert listed == sorted(listed)
    assert {"librispeech", "mini", "vctk", "zerospeech2019"} <= set(listed)
    assert run("recipes", "mini", "mine").status == 0
    copied = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {"mine/stages.sh", "mine/mini/run.sh", "mine/mini/conf/demo.yaml"} <= copied
    assert not [path for path in copied if path.startswith(("mine/mini/exp/", "mine/mini/data/", "mine/mini/dump/"))]
    dry = subprocess.run(["mine/mini/run.sh", "--dry-run"], check=True, capture_output=True, text=True)
    assert dry.stdout.startswith("# stage 1: Data preparation\npython -m data_prep.mini data\n")


def test_a_recipe_of_the_users_is_not_overwritten(run):
    Path("recipes/mini").mkdir(parents=True)
    outcome = run("recipes", "mini")
    assert outcome.status == 1
    assert "recipes/mini: exists already" in outcome.error
    assert not list(Path("recipes").glob("*/*"))


def test_an_unknown_recipe_is_answered_with_those_there_are(run):
    outcome = run("recipes", "timit")
    assert outcome.status == 1
    assert "timit: no such recipe; there are " in outcome.error
