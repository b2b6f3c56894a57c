"""Registries: the quantisers, vocoders, encoders, ... by name, from this package and from outside."""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules

from sqspeech.errors import ConfigError

# Packages that register parts name their modules in it, so that the command line and worker processes know them too.
ENTRY_POINTS = "sqspeech"


class Registry[T]:
    """Classes of one kind by name; each stands in a file of its own, which registers it.

    >>> @QUANTIZERS.register("mine", config=MyConfig)
    ... class Mine: ...

    The files of `package` are imported when something is looked up for the first time, and so are the modules that
    installed packages name under the entry point group `sqspeech`.

    Parameters
    ----------
    kind
        In words, for messages.
    package
        The package whose modules register the built-in ones.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self._package = kind, package
        self._classes: dict[str, type[T]] = {}
        self._configs: dict[str, type] = {}
        self._loaded = False

    def register(self, name: str, *, config: type | None = None) -> Callable[[type[T]], type[T]]:
        """Return a class decorator that enters the class under a name, with the class of its configuration.

        A class that is registered again, as a reloaded module does, replaces the one before.
        """

        def enter(registered: type[T]) -> type[T]:
            self._classes[name] = registered
            if config is not None:
                self._configs[name] = config
            return registered

        return enter

    def names(self) -> list[str]:
        """Return the names, in the order of the alphabet."""
        self._load()
        return sorted(self._classes)

    def __getitem__(self, name: str) -> type[T]:
        """Return the class of a name; raises ConfigError, which gives the nearest name."""
        self._check(name)
        return self._classes[name]

    def config(self, name: str) -> type:
        """Return the class of the configuration of a name; raises ConfigError as `[]` does."""
        self._check(name)
        return self._configs[name]

    def of(self, config: object) -> type[T]:
        """Return the class whose configuration this is; a ConfigError where none has its class."""
        self._load()
        for name, known in self._configs.items():
            if type(config) is known:
                return self._classes[name]
        raise ConfigError(f"{type(config).__name__}: no {self.kind} is registered with this configuration")

    def _check(self, name: str) -> None:
        self._load()
        if name not in self._classes:
            near = get_close_matches(name, self._classes, n=1, cutoff=0)
            known = ", ".join(sorted(self._classes))
            raise ConfigError(f"no {self.kind} {name!r}; the nearest is {'; '.join(near)} (known are {known})")

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = import_module(self._package)
        for module in iter_modules(package.__path__, f"{self._package}."):
            import_module(module.name)
        for plugin in entry_points(group=ENTRY_POINTS):
            plugin.load()
