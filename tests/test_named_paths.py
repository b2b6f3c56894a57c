"""Paths with and without names on the command line."""

from pathlib import Path

import pytest

from sqspeech.cli.named_paths import by_set, by_system, short_names, split_name
from sqspeech.errors import ConfigError


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)


def test_names_are_as_short_as_they_can_be_told_apart(tmp_path) -> None:
    assert short_names([Path("exp/a/units")]) == {"units": Path("exp/a/units")}
    assert short_names([Path("exp/a/units"), Path("exp/b/units")]) == {
        "a/units": Path("exp/a/units"),
        "b/units": Path("exp/b/units"),
    }
    assert set(short_names([Path("a/x/u"), Path("b/x/u"), Path("a/y/v")])) == {"a/x/u", "b/x/u", "a/y/v"}
    assert set(short_names([Path("u"), Path("/v/u")])) == {f"{tmp_path.name}/u", "v/u"}


def test_a_path_twice() -> None:
    with pytest.raises(ConfigError, match="x/../u: given twice"):
        short_names([Path("u"), Path("x/../u")])


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("best=exp/b", "best", "exp/b"),
        ("exp/b", "", "exp/b"),
        ("./a=b", "", "a=b"),
        ("x/a=b", "", "x/a=b"),
        ("=b", "", "=b"),
    ],
)
def test_a_name_has_no_slash(text: str, name: str, path: str) -> None:
    assert split_name(text) == (name, Path(path))


def test_paths_of_one_name_are_seeds() -> None:
    paths, systems = by_system(["best=exp/best-0/u", "iv/u", "best=exp/best-1/u"])
    assert systems == {"best": ["best-0/u", "best-1/u"], "iv/u": ["iv/u"]}
    assert paths["best-1/u"] == Path("exp/best-1/u")


def test_a_short_name_that_is_given_to_others() -> None:
    with pytest.raises(ConfigError, match="x/best: best is the name of another system, too; name this one"):
        by_system(["best=a", "x/best"])


def test_a_test_set_has_one_path() -> None:
    assert by_set("--item", ["a=x", "b=y"], ["a", "b"]) == {"a": Path("x"), "b": Path("y")}
    with pytest.raises(ConfigError, match="--item y: a second one; give each test set's once, as a=PATH"):
        by_set("--item", ["a=x", "a=y"], ["a"])
    with pytest.raises(ConfigError, match="--data y: a second one; name test sets: NAME=PATH for each"):
        by_set("--data", ["x", "y"])
