"""`import sqspeech`: the public names, loaded when they are used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import sqspeech

STUB = Path(sqspeech.__file__).with_suffix(".pyi")
NAMES = {
    alias.name: node.module
    for node in ast.parse(STUB.read_text()).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_that_of_its_module(name):
    module = NAMES[name]
    if module is None:
        expected = importlib.import_module(f"sqspeech.{name}")
    else:
        expected = getattr(importlib.import_module(f"sqspeech.{module}"), name)
    assert getattr(sqspeech, name) is expected


def test_the_names_that_users_of_other_codecs_try_are_there():
    assert set(dir(sqspeech)) == set(NAMES)
    assert set(dir(sqspeech)) >= {
        *("Codec", "Units", "LogMel", "LogMelConfig", "ExperimentConfig", "load_config", "TrainedModel", "Converter"),
        *("UnitExtractor", "evaluate", "audio", "quantizers", "units", "vocoders"),
    }


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Codek"):
        sqspeech.Codek  # noqa: B018
    with pytest.raises(ImportError, match="Codek"):
        from sqspeech import Codek  # noqa: F401


def test_import_loads_nothing_heavy():
    code = "import sys, sqspeech; dir(sqspeech); print({'torch', 'numpy', 'pydantic'} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert process.stdout == "set()\n"


def test_type_checkers_are_told_that_the_package_is_typed():
    assert STUB.with_name("py.typed").exists()
