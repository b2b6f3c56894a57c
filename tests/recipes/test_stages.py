"""The shell of the recipes, run as a user runs it."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

RECIPES = Path(__file__).resolve().parents[2] / "recipes"

RECIPE = """\
#!/usr/bin/env bash
# A tiny recipe.
cd "$(dirname "$0")" || exit
config=demo batch_size=2
. ../stages.sh
exp=exp/$config
run_stage 1 "Data preparation" touch prepared "$config"
run_stage 2 "Features (train)" printf '%s|' "$batch_size" "two words" "it's" '$HOME "x"'
run_stage 2 "Features (dev)" printf 'on stderr\\n%s' "$batch_size" dev
run_stage 3 "Training" bash -c 'echo trained; echo lost >&2; exit "$0"' "${status:-0}"
run_stage 7 "Report" touch report
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    shutil.copy(RECIPES / "stages.sh", tmp_path)
    (tmp_path / "tiny").mkdir()
    run = tmp_path / "tiny" / "run.sh"
    run.write_text(RECIPE)
    run.chmod(0o755)
    return run


def bash(run: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    # From another folder: a recipe runs in its own.
    return subprocess.run(
        [run, *arguments], cwd="/", env=os.environ | variables, capture_output=True, text=True, check=False
    )


def log(run: Path, name: str, config: str = "demo") -> list[str]:
    return (run.parent / "exp" / config / "logs" / f"{name}.log").read_text().splitlines()


def stages_run(run: Path) -> list[str]:
    return sorted(path.stem for path in run.parent.glob("exp/*/logs/*.log"))


def test_all_stages_run_in_order_with_heading_and_duration(recipe: Path) -> None:
    done = bash(recipe)
    assert done.returncode == 0, done.stderr
    stages = ["1-data-preparation", "2-features-dev", "2-features-train", "3-training", "7-report"]
    assert stages_run(recipe) == stages
    headings = [line.partition("] ")[2] for line in done.stdout.splitlines() if "] stage" in line]
    assert headings[0] == "stage 1: Data preparation"
    assert headings[1].startswith("stage 1: done in 0:00:0")
    assert headings[-2] == "stage 7: Report"


@pytest.mark.parametrize("arguments", ["--stage 2 --stop-stage 2", "--stage=2 --stop_stage=2"])
def test_stages_outside_the_range_are_skipped(recipe: Path, arguments: str) -> None:
    done = bash(recipe, *arguments.split())
    assert done.returncode == 0
    assert stages_run(recipe) == ["2-features-dev", "2-features-train"]
    assert "stage 1" not in done.stdout


def test_dry_run_prints_the_commands_and_runs_nothing(recipe: Path) -> None:
    before = sorted(recipe.parent.rglob("*"))
    done = bash(recipe, "--dry-run", "--config", "other")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:2] == ["# stage 1: Data preparation", "touch prepared other"]
    assert sorted(recipe.parent.rglob("*")) == before


@pytest.mark.parametrize("arguments", [("--batch-size", "8"), ("--batch-size=8",), ("--batch_size", "8")])
def test_variables_of_the_recipe_are_options(recipe: Path, arguments: tuple[str, ...]) -> None:
    bash(recipe, "--config=a=b c", *arguments)
    assert log(recipe, "2-features-train", "a=b c")[1].startswith("8|two words|")
    assert (recipe.parent / "a=b c").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--batch", "8"),
            "unknown option --batch; the options are --batch-size --config --stage --stop-stage ",
        ),
        (("--exp", "x"), "unknown option --exp;"),
        (("--path=x",), "unknown option --path=x;"),
        (("8",), "unknown option 8;"),
        (("--config",), "--config needs a value"),
        (("--config", "--dry-run"), "--config needs a value"),
        (("--stage", "two"), "--stage and --stop-stage take a number from 0 to 7"),
        (("--stage", "3", "--stop-stage", "2"), "--stage 3 comes after --stop-stage 2"),
    ],
)
def test_wrong_options_are_refused(recipe: Path, arguments: tuple[str, ...], message: str) -> None:
    done = bash(recipe, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"./run.sh: {message}")
    assert done.stderr.count("\n") == 1
    assert stages_run(recipe) == []


def test_help_names_the_options_and_their_defaults(recipe: Path) -> None:
    done = bash(recipe, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("A tiny recipe.\n")
    options = [line.strip() for line in done.stdout.splitlines() if line.startswith("  --")]
    assert options[:4] == ["--batch-size (2)", "--config (demo)", "--stage (0)", "--stop-stage (7)"]
    assert stages_run(recipe) == []


def test_the_log_begins_with_a_command_that_can_be_pasted(recipe: Path) -> None:
    bash(recipe)
    first, output = log(recipe, "2-features-train")[:2]
    assert first.startswith("$ printf ")
    assert output.startswith("""2|two words|it's|$HOME "x"|""")
    command = ["bash", "-c", first.removeprefix("$ ")]
    assert subprocess.check_output(command, text=True) == """2|two words|it's|$HOME "x"|"""


def test_output_and_errors_are_shown_and_logged(recipe: Path) -> None:
    done = bash(recipe, "--stage", "3", "--stop-stage", "3")
    assert "trained\nlost\n" in done.stdout
    assert log(recipe, "3-training")[1:3] == ["trained", "lost"]


def test_a_failure_keeps_its_status_and_stops_the_recipe(recipe: Path) -> None:
    done = bash(recipe, "--config", "my own", "--stage", "2", status="42")
    assert done.returncode == 42
    assert not (recipe.parent / "report").exists()
    message = done.stderr.strip()
    assert "\n" not in message
    assert message.startswith("./run.sh: stage 3 (Training) failed with status 42 after ")
    assert "exp/my own/logs/3-training.log" in message
    again = shlex.split(message.partition("to continue: ")[2])
    assert again == ["./run.sh", "--config", "my own", "--stage", "3"]
    assert log(recipe, "3-training", "my own")[-1] == message


def test_a_stop_is_no_failure(recipe: Path) -> None:
    done = bash(recipe, "--stage", "2", status="75")
    assert done.returncode == 75
    assert done.stderr.startswith("./run.sh: stage 3 (Training) was stopped with status 75 after ")


def test_an_interactive_run_leaves_stderr_on_the_terminal(recipe: Path) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    subprocess.run([recipe, "--stage", "3"], stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.close(theirs)
    assert os.read(ours, 100).strip() == b"lost"
    os.close(ours)
    assert "lost" not in log(recipe, "3-training")


def test_the_environment_does_not_choose_the_stages(recipe: Path) -> None:
    bash(recipe, "--stop-stage", "1", stage="7", stop_stage="7")
    assert stages_run(recipe) == ["1-data-preparation"]


OWN = "--config conf/vocoder.yaml --set inputs.codec=exp/demo/best.ckpt --set inputs.decoded=0.5"
VOCODER = f"""\
# stage 3: Vocoder data (train)
sqspeech vocoder-data dump/demo/train {OWN} --jobs 2
# stage 3: Vocoder data (dev)
sqspeech vocoder-data dump/demo/dev {OWN} --jobs 2
# stage 3: Vocoder
sqspeech train dump/demo exp/demo/vocoder {OWN} --device auto
# stage 3: Vocoder into the model
sqspeech attach-vocoder exp/demo/best.ckpt exp/demo/vocoder/best.ckpt -o exp/demo/speech.ckpt
"""
MINI = f"""\
# stage 1: Data preparation
python -m data_prep.mini data
# stage 2: Features (train)
sqspeech features data/train dump/demo/train --config conf/demo.yaml --jobs 2
# stage 2: Features (dev)
sqspeech features data/dev dump/demo/dev --config conf/demo.yaml --jobs 2
# stage 3: Training
sqspeech train dump/demo exp/demo --config conf/demo.yaml --device auto
{VOCODER}# stage 4: Units
sqspeech units exp/demo/best.ckpt data/test -o exp/demo/units --device auto
# stage 4: Units (train)
sqspeech units exp/demo/best.ckpt data/train -o exp/demo/prior/units/train --jobs 2 --device auto
# stage 4: Units (dev)
sqspeech units exp/demo/best.ckpt data/dev -o exp/demo/prior/units/dev --device auto
# stage 4: Prior
sqspeech train exp/demo/prior/units exp/demo/prior --config conf/prior.yaml --device auto
# stage 5: Conversion
sqspeech convert exp/demo/speech.ckpt data/test --to source --to all -o exp/demo/conversion --device auto
# stage 5: Generated speech
sqspeech generate exp/demo/prior/best.ckpt exp/demo/speech.ckpt -o exp/demo/generated --to f1 --seconds 3 --count 4 \
--device auto
# stage 6: Evaluation
sqspeech evaluate exp/demo/speech.ckpt data/test -o exp/demo/metrics.json --item data/test/phones.item \
--parallel --device auto
# stage 6: Vocoders
sqspeech compare-vocoders exp/demo/speech.ckpt data/test -o exp/demo/vocoders --device auto
# stage 7: Report
sqspeech report exp/demo -o exp/demo/report.html
"""


def test_the_mini_recipe_is_frozen() -> None:
    assert bash(RECIPES / "mini" / "run.sh", "--dry-run").stdout == MINI
    without = MINI.replace(VOCODER, "").replace("speech.ckpt", "best.ckpt")
    assert bash(RECIPES / "mini" / "run.sh", "--dry-run", "--vocoder=").stdout == without


def test_the_options_of_the_mini_recipe_reach_its_commands() -> None:
    options = ("--config", "published", "--jobs", "8", "--device", "cuda")
    expected = MINI.replace("demo", "published").replace("--jobs 2", "--jobs 8").replace("auto", "cuda")
    assert bash(RECIPES / "mini" / "run.sh", "--dry-run", *options).stdout == expected


@pytest.mark.parametrize(("name", "speaks"), [("vctk", 3), ("zerospeech2019", 3)])
def test_every_recipe_trains_a_vocoder_on_request_and_units_stay_the_models_own(name: str, speaks: int) -> None:
    plain, spoken = (
        bash(RECIPES / name / "run.sh", "--dry-run", *options).stdout for options in ((), ("--vocoder", "vocoder"))
    )
    assert "vocoder-data" not in plain
    assert "speech.ckpt" not in plain
    added = [line for line in spoken.splitlines() if line not in plain.splitlines()]
    titles = [line for line in added if line.startswith("# ")]
    commands = [line for line in added if not line.startswith("# ")]
    assert titles == [f"# stage 3: Vocoder{rest}" for rest in (" data (train)", " data (dev)", "", " into the model")]
    assert [command.split()[1] for command in commands[:4]] == [
        "vocoder-data",
        "vocoder-data",
        "train",
        "attach-vocoder",
    ]
    # Behind them the same commands, but that those which speak take the model with its vocoder.
    assert len(commands[4:]) == speaks
    assert all(command.replace("speech.ckpt", "best.ckpt") in plain for command in commands[4:])
    (units,) = [line for line in spoken.splitlines() if line.startswith("sqspeech units")]
    assert "/best.ckpt" in units
