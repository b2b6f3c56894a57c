"""Arguments that are a path with a name, NAME=PATH, and names for paths without one."""

import re
from collections.abc import Sequence
from pathlib import Path

from sqspeech.errors import ConfigError

# No separator of folders, so that ./a=b and x/a=b are paths.
NAMED = re.compile(r"(\w[\w.+-]*)=(.+)")


def split_name(text: str) -> tuple[str, Path]:
    """Return the name and the path of `NAME=PATH`; the name is empty where there is none."""
    found = NAMED.fullmatch(text)
    return (found[1], Path(found[2])) if found else ("", Path(text))


def short_names(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the paths by as few last parts as distinguish them: a/units and b/units for exp/a/units and exp/b/units.

    Raises
    ------
    ConfigError
        A path is given twice.
    """
    resolved: dict[Path, Path] = {}
    for path in paths:
        if resolved.setdefault(path.resolve(), path) is not path:
            raise ConfigError(f"{path}: given twice; give each path once")
    parts = [path.parts for path in resolved]
    depth = next(d for d in range(1, 1 + max(map(len, parts))) if len({p[-d:] for p in parts}) == len(parts))
    return {"/".join(path.parts[-depth:]).lstrip("/"): given for path, given in resolved.items()}


def by_system(texts: Sequence[str]) -> tuple[dict[str, Path], dict[str, list[str]]]:
    """Return the paths of `[NAME=]PATH` by short names, and these by the system: NAME, or else the short name.

    Paths of the same NAME are seeds of one system.

    Raises
    ------
    ConfigError
        A path is given twice, or the short name of a path without a name is the NAME of another.
    """
    named = list(map(split_name, texts))
    paths = short_names([path for _, path in named])
    systems: dict[str, list[str]] = {}
    for (name, path), short in zip(named, paths, strict=True):
        if not name and short in {name for name, _ in named}:
            raise ConfigError(f"{path}: {short} is the name of another system, too; name this one with NAME={path}")
        systems.setdefault(name or short, []).append(short)
    return paths, systems


def by_set(option: str, texts: Sequence[str], names: Sequence[str] | None = None) -> dict[str, Path]:
    """Return the paths of `[NAME=]PATH` by the test set NAME, which is empty where there is one set without a name.

    Parameters
    ----------
    option
        For messages.
    texts
        The values of the option.
    names
        The names of the test sets; where not given, this option makes them.

    Raises
    ------
    ConfigError
        A test set has two paths or no name, or is not one of `names`.
    """
    found: dict[str, Path] = {}
    for name, path in map(split_name, texts):
        if name in found:
            remedy = f"give each test set's once, as {name}=PATH" if name else "name test sets: NAME=PATH for each"
            raise ConfigError(f"{option} {path}: a second one; {remedy}")
        if names is not None and name not in names:
            known = ", ".join(names)
            remedy = (
                f"give it as NAME=PATH, with NAME one of {known}" if known else "leave its name out, as with --data"
            )
            raise ConfigError(f"{option} {path}: for no test set; {remedy}")
        found[name] = path
    if "" in found and len(found) > 1:
        raise ConfigError(f"{option} {found['']}: has no name beside others; give it as NAME=PATH")
    return found
