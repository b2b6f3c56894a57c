"""Check of the installation: versions, devices and missing packages."""

import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

REMEDY = "run `make test` or `make demo`, which install from requirements.lock"
PACKAGES = [
    "numpy",
    "librosa",
    "soundfile",
    "kaldiio",
    "pyworld",
    "fastabx",
    "espeakng-loader",
    "torchaudio",
    "torch",
]


def examine() -> bool:
    """Print one line for each finding, and return True if nothing is missing."""
    print(f"ok      sqspeech {version('sqspeech')}, Python {platform.python_version()}, {platform.platform()}")
    packages = [_package(name) for name in PACKAGES]
    return all([*packages, _check("audio formats", _formats), _check("torch devices", _devices)])


def _package(name: str) -> bool:
    try:
        print(f"ok      {name} {version(name)}")
    except PackageNotFoundError:
        print(f"MISSING {name}: {REMEDY}")
        return False
    return True


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
