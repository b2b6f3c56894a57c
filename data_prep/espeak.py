"""Speech and the times of its phones from espeak-ng, through ctypes."""

import ctypes
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sqspeech.errors import DataError

SAMPLE_RATE = 22050

# The values of espeak-ng's speak_lib.h.
_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 0x0001
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_VOLUME, _PITCH = 2, 3
_EVENT_LIST_TERMINATED, _EVENT_PHONEME = 0, 7


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A voice of espeak-ng: language and variant such as "en-us+f1", and pitch, 0 to 99 (50 is its own)."""

    name: str
    pitch: int = 50


@dataclass(frozen=True, kw_only=True)
class Speech:
    """A spoken text.

    Attributes
    ----------
    samples
        Shape (N,), 16-bit, at `SAMPLE_RATE` Hz.
    phones
        espeak-ng's mnemonic of each phone or pause, stress marks included, and the sample at which it starts.
    """

    samples: NDArray[np.int16]
    phones: tuple[tuple[str, int], ...]


def speak(voices: Sequence[Voice], texts: Sequence[str]) -> Iterator[list[Speech]]:
    """Yield, for each voice, all texts spoken by it.

    espeak-ng carries state (the phase of the voicing, flutter, echo) from one text into the next and does not
    clear it when it is initialised again. Each voice therefore speaks in a process of its own, so that its
    samples depend on the texts alone.

    Raises
    ------
    DataError
        The library cannot be loaded, or it has no such voice.
    """
    workers = min(len(voices), os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1) as executor:
        yield from executor.map(_speak, voices, [texts] * len(voices))


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def _speak(voice: Voice, texts: Sequence[str]) -> list[Speech]:
    library = _initialize()
    if library.espeak_SetVoiceByName(voice.name.encode()) != 0:
        raise DataError(f"espeak-ng has no voice {voice.name}; reinstall it: pip install espeakng-loader")
    library.espeak_SetParameter(_PITCH, voice.pitch, 0)
    # At the default of 100 the loud variants reach full scale and clip.
    library.espeak_SetParameter(_VOLUME, 70, 0)
    return [_synthesize(library, text) for text in texts]


def _initialize() -> ctypes.CDLL:
    import espeakng_loader

    try:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        data_path = espeakng_loader.get_data_path()
    except (OSError, RuntimeError) as error:
        raise DataError(f"espeak-ng cannot be loaded ({error}); reinstall it: pip install espeakng-loader") from None
    options = _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_DONT_EXIT
    # espeak-ng cuts long paths off; the worker process may change its folder and name the data from there.
    os.chdir(data_path)
    if library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, b".", options) != SAMPLE_RATE:
        raise DataError(f"{data_path}: espeak-ng cannot use its data; reinstall it: pip install espeakng-loader")
    return library


def _synthesize(library: ctypes.CDLL, text: str) -> Speech:
    chunks: list[bytes] = []
    phones: list[tuple[str, int]] = []

    def collect(wav: "ctypes._Pointer[ctypes.c_short]", n: int, events: "ctypes._Pointer[_Event]") -> int:
        if wav:
            chunks.append(ctypes.string_at(wav, 2 * n))
        i = 0
        while events[i].type != _EVENT_LIST_TERMINATED:
            if events[i].type == _EVENT_PHONEME:
                phones.append((events[i].id.string.decode(), events[i].sample))
            i += 1
        return 0

    callback = _Callback(collect)
    library.espeak_SetSynthCallback(callback)
    encoded = text.encode()
    library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded) + 1), 0, 0, 0, _CHARS_UTF8, None, None)
    return Speech(samples=np.frombuffer(b"".join(chunks), np.int16), phones=tuple(phones))
