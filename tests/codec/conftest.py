import pytest
from units_models import make_model

from sqspeech.units import UnitExtractor


@pytest.fixture(scope="session", params=[False, True], ids=["as published", "normalised"])
def extractor(request: pytest.FixtureRequest) -> UnitExtractor:
    """Units of an untrained model, which hears the bands with or without their means; not to be changed."""
    return UnitExtractor(make_model(normalize=request.param))
