"""The errors a user can mend: one line that says what, where, the likely cause and the remedy."""


class SqspeechError(Exception):
    """An expected failure; the command line prints it as one line and exits with status 1."""


class ConfigError(SqspeechError):
    """A configuration that is unknown, ill-typed or does not fit the data."""


class DataError(SqspeechError):
    """Audio, a data directory or features that cannot be used."""


class CheckpointError(SqspeechError):
    """A checkpoint that cannot be read or does not fit the request."""
