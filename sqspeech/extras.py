"""Optional packages: the extra of sqspeech (`pip install "sqspeech[eval]"`) that brings one that is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqspeech.errors import SqspeechError

# Packages that are imported by another name than they are installed by.
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn"}
# What developers of sqspeech need, and no command.
DEVELOPMENT = {"dev", "docs"}


@contextmanager
def missing_extra_named(prefer: str = "eval") -> Iterator[None]:
    """Turn the failed import of an optional package into one line with the extra to install.

    Parameters
    ----------
    prefer
        The extra to name where several bring the package.

    Raises
    ------
    SqspeechError
        A package is missing that an extra brings.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        bringing = extras_of(package)
        if not bringing:
            raise
        extra = prefer if prefer in bringing else bringing[0]
        raise SqspeechError(f'{package} is not installed; install it with: pip install "sqspeech[{extra}]"') from None


def extras_of(package: str) -> list[str]:
    """Return the extras that bring a package, given the name that it is imported by."""
    from packaging.utils import canonicalize_name

    name = canonicalize_name(DISTRIBUTIONS.get(package, package))
    return [extra for extra, packages in requirements().items() if extra and name in packages]


def requirements() -> dict[str, set[str]]:
    """Return the packages that sqspeech needs itself (key "") and those of each extra for users."""
    # The two take longer than all else that `sqspeech --help` imports.
    from importlib.metadata import metadata, requires

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    extras = set(metadata("sqspeech").get_all("Provides-Extra", [])) - DEVELOPMENT
    found: dict[str, set[str]] = {extra: set() for extra in ("", *sorted(extras))}
    for requirement in map(Requirement, requires("sqspeech") or []):
        marker = requirement.marker
        of = [extra for extra in extras if marker.evaluate({"extra": extra})] if marker else [""]
        for extra in of:
            found[extra].add(canonicalize_name(requirement.name))
    return found
