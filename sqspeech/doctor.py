"""Check of the installation: versions, devices and missing packages."""

import platform
from collections.abc import Callable, Collection
from importlib.metadata import PackageNotFoundError, version

from sqspeech.extras import requirements

REMEDY = "pip install sqspeech; in a checkout `make test`, which installs from requirements.lock"


def examine() -> bool:
    """Print one line for each finding, and return True if all that is needed was found; extras may be absent."""
    print(f"ok      sqspeech {version('sqspeech')}, Python {platform.python_version()}, {platform.platform()}")
    needed = requirements()
    packages = [_package(name) for name in sorted(needed.pop(""))]
    for extra, names in needed.items():
        print(_extra(extra, names))
    return all([*packages, _check("audio formats", _formats), _check("torch devices", _devices)])


def _package(name: str) -> bool:
    installed = _version(name)
    print(f"ok      {name} {installed}" if installed else f"MISSING {name}: {REMEDY}")
    return installed is not None


def _extra(name: str, packages: Collection[str]) -> str:
    absent = sorted(package for package in packages if not _version(package))
    return (
        f'absent  extra {name} ({", ".join(absent)}): pip install "sqspeech[{name}]"'
        if absent
        else f"ok      extra {name}"
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _check(name: str, find: Callable[[], str]) -> bool:
    try:
        print(f"ok      {name}: {find()}")
    except (ImportError, OSError, RuntimeError) as error:
        print(f"BROKEN  {name}: {error}; {REMEDY}")
        return False
    return True


def _formats() -> str:
    import soundfile

    wanted = ["WAV", "FLAC", "OGG", "MP3", "AIFF"]
    available = soundfile.available_formats()
    lacking = [name for name in wanted if name not in available]
    if lacking:
        raise RuntimeError(f"libsndfile {soundfile.__libsndfile_version__} cannot read {' '.join(lacking)}")
    return " ".join(wanted)


def _devices() -> str:
    import torch

    gpus = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    return ", ".join([f"cpu ({torch.get_num_threads()} threads)", *gpus]) + (
        "" if gpus else "; no GPU is needed, training is slower without one"
    )
