import pytest
from units_models import make_model

from sqspeech.units import UnitExtractor


@pytest.fixture(scope="session")
def extractor() -> UnitExtractor:
    """Units of an untrained model; not to be changed."""
    return UnitExtractor(make_model())
