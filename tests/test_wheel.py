"""The files of the wheel; `make wheel` installs one outside the checkout and uses it."""

from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def files() -> set[str]:
    return {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}


def test_both_packages_are_there_and_nothing_else(files):
    assert {name.partition("/")[0] for name in files} == {"sqspeech", "data_prep"}
    for package in ("sqspeech", "data_prep"):
        modules = {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")}
        own = {name for name in files if name.startswith(f"{package}/") and not name.startswith("sqspeech/recipes/")}
        assert modules == {name for name in own if name.endswith(".py")}
    page = {f"sqspeech/web/page/{path.name}" for path in (ROOT / "sqspeech/web/page").iterdir()}
    assert files >= {"sqspeech/py.typed", "sqspeech/__init__.pyi", "sqspeech/report/page.html", *page}


def test_each_recipe_is_there_with_its_configurations_and_without_what_it_made(files):
    recipes = ROOT / "recipes"
    shipped = {run.parent for run in recipes.glob("*/run.sh")} - {recipes / "compare"}
    conf = {path for recipe in shipped for name in ("conf", "tables") for path in recipe.glob(f"{name}/*")}
    modules = set((recipes / "fashion_mnist/images").glob("*.py"))
    texts = {recipe / name for recipe in shipped for name in ("run.sh", "README.md")}
    expected = {f"sqspeech/{path.relative_to(ROOT)}" for path in {recipes / "stages.sh", *conf, *modules, *texts}}
    assert {name for name in files if name.startswith("sqspeech/recipes/")} == expected
