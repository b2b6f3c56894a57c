"""Parts are found by name, whether they stand in the package or outside."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from sqspeech import registry
from sqspeech.errors import ConfigError
from sqspeech.registry import Registry


@dataclass(frozen=True)
class SquareConfig:
    side: int = 1


class Shape:
    pass


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[Shape]]:
    """A registry whose package has one file."""
    package = tmp_path / "shapes_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "round.py").write_text(
        "from test_registry_base import SHAPES, Shape\n@SHAPES.register('circle')\nclass Circle(Shape): pass\n"
    )
    (tmp_path / "test_registry_base.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    import test_registry_base

    found = Registry[Shape]("shape", package.name)
    monkeypatch.setattr(test_registry_base, "SHAPES", found, raising=False)
    monkeypatch.setattr(test_registry_base, "Shape", Shape, raising=False)
    yield found
    for name in [name for name in sys.modules if name.startswith(("shapes_of_a_test", "test_registry_base"))]:
        del sys.modules[name]


def test_files_of_the_package_are_found(shapes: Registry[Shape]) -> None:
    assert shapes.names() == ["circle"]
    assert shapes["circle"].__name__ == "Circle"


def test_a_class_is_found_by_its_configuration(shapes: Registry[Shape]) -> None:
    @shapes.register("square", config=SquareConfig)
    class Square(Shape):
        pass

    assert shapes.of(SquareConfig(side=2)) is Square
    assert shapes.config("square") is SquareConfig
    assert shapes.names() == ["circle", "square"]


def test_an_unknown_name_is_answered_with_the_nearest(shapes: Registry[Shape]) -> None:
    with pytest.raises(ConfigError, match=r"no shape 'cirle'; the nearest is circle \(known are circle\)"):
        shapes["cirle"]


def test_a_configuration_that_nobody_registered_is_named(shapes: Registry[Shape]) -> None:
    with pytest.raises(ConfigError, match="SquareConfig: no shape is registered"):
        shapes.of(SquareConfig())


def test_installed_packages_register_by_an_entry_point(
    shapes: Registry[Shape], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shapes_of_a_test_plugin.py").write_text(
        "from test_registry_base import SHAPES, Shape\n@SHAPES.register('hexagon')\nclass Hexagon(Shape): pass\n"
    )
    point = EntryPoint(name="x", value="shapes_of_a_test_plugin", group=registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == registry.ENTRY_POINTS else [])
    assert shapes.names() == ["circle", "hexagon"]
