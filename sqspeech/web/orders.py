"""Orders of the page, parsed once where they come in."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sqspeech.errors import DataError

Name = Annotated[str, Field(min_length=1, max_length=100)]
Targets = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=2000)], ...], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class ConversionOrder:
    """Conversion of a recording by one or several models.

    Attributes
    ----------
    recording, models
        Their ids.
    to
        Speakers and mixtures, as `sqspeech convert --to` takes them.
    pitch, vocoder
        As its options; the model's own vocoder when None.
    speaker
        Who speaks, where the models know it: the reconstruction is for this speaker.
    """

    kind: Literal["convert"]
    recording: Name
    models: Annotated[tuple[Name, ...], Field(min_length=1)]
    to: Targets
    pitch: Name = "target"
    vocoder: Name | None = None
    speaker: Name | None = None

    @property
    def recordings(self) -> tuple[str, ...]:
        """The ids of all recordings that it needs."""
        return (self.recording,)


@dataclass(frozen=True, kw_only=True)
class EnrolmentOrder:
    """Addition of a speaker to a model, from recordings."""

    kind: Literal["enroll"]
    recordings: Annotated[tuple[Name, ...], Field(min_length=1)]
    model: Name
    name: Name

    @property
    def models(self) -> tuple[str, ...]:
        """The ids of all models that it needs."""
        return (self.model,)


@dataclass(frozen=True, kw_only=True)
class GenerationOrder:
    """Samples of a prior, or continuations of a recording; as `sqspeech generate` takes them.

    The bounds keep one listener from making the others wait for hours.
    """

    kind: Literal["generate"]
    prior: Name
    model: Name
    to: Annotated[str, Field(min_length=1, max_length=2000)]
    prompt: Name | None = None
    seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    count: Annotated[int, Field(ge=1, le=32)] = 4
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    vocoder: Name | None = None

    @property
    def recordings(self) -> tuple[str, ...]:
        """The ids of all recordings that it needs."""
        return (self.prompt,) if self.prompt else ()

    @property
    def models(self) -> tuple[str, ...]:
        """The ids of all models that it needs, the prior's among them."""
        return (self.model, self.prior)


type Order = ConversionOrder | EnrolmentOrder | GenerationOrder
_ORDERS: TypeAdapter[Order] = TypeAdapter(
    Annotated[ConversionOrder | EnrolmentOrder | GenerationOrder, Field(discriminator="kind")]
)


def parse_order(text: bytes) -> Order:
    """Return the order of a JSON text; raises DataError for any other."""
    try:
        return _ORDERS.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "order"
        raise DataError(f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """An order with the files that it is about.

    Attributes
    ----------
    order
        Itself; None asks for a description of the models.
    folder
        Takes the results.
    files
        The path of each recording and model by its id.
    """

    order: Order | None
    folder: Path
    files: dict[str, Path]
