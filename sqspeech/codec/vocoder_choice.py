"""The vocoder that a codec speaks with: the one that is named, the model's own, or the best there is without."""

from sqspeech.checkpoint import TrainedModel
from sqspeech.errors import DataError
from sqspeech.pitch import Excitation
from sqspeech.vocoders import Vocoder, build_vocoder, without_pitch


class VocoderChoice:
    """The vocoders of a model, each built once.

    Parameters
    ----------
    trained
        The model, which may have a vocoder of its own.
    default
        The one where none is named, by name or ready made.

    Raises
    ------
    ConfigError
        See `find`.
    """

    def __init__(self, trained: TrainedModel, default: Vocoder | str | None = None) -> None:
        self._trained = trained
        self._built = dict[str, Vocoder]()
        self.default = self.find(default) if default else None

    def find(self, vocoder: Vocoder | str) -> Vocoder:
        """Return the vocoder of a name, or the one given.

        Raises
        ------
        ConfigError
            There is none of this name, or it must be trained and the model has none.
        """
        if not isinstance(vocoder, str):
            return vocoder
        if vocoder not in self._built:
            own = self._trained.vocoder
            named = own if own and own.name == vocoder else build_vocoder(vocoder, self._trained.config.features)
            self._built[vocoder] = named
        return self._built[vocoder]

    def for_speech(self, vocoder: Vocoder | str | None = None) -> Vocoder:
        """Return the vocoder of recordings that are converted: the model's own, or WORLD; raises as `find` does."""
        return self.find(vocoder or self.default or self._trained.vocoder or "world")

    def for_copies(self, vocoder: Vocoder | str | None = None) -> Vocoder:
        """Return the vocoder of copies: WORLD refined is best there, though not of what a model decodes."""
        return self.find(vocoder or self.default or "world_refined")

    def for_units(self, vocoder: Vocoder | str | None = None, pitch: Excitation | None = None) -> Vocoder:
        """Return the vocoder of units; raises DataError where it needs a pitch and there is none."""
        if vocoder is None and pitch is not None:
            return self.for_speech()
        usable = without_pitch()
        chosen = self.find(vocoder or usable[0])
        if chosen.needs_excitation and pitch is None:
            raise DataError(
                f"the vocoder {chosen.name} needs a pitch, which units do not hold; give one, or take a vocoder that "
                f"needs none: {', '.join(usable)}"
            )
        return chosen
