"""Function for workers, which need a module to import it from."""


def large(number: int) -> bytes:
    """Return a result that takes long to send."""
    return bytes(20_000_000)
