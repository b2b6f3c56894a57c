"""ABX phone discriminability, as in the ZeroSpeech challenges."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.abx_cells import AbxCells
from sqspeech.evaluation.metrics.item import CONTEXT, LABELS, Item, ItemFile
from sqspeech.evaluation.metrics.unit_metric import Features

if TYPE_CHECKING:
    from fastabx import Dataset, Subsampler
    from fastabx.distance import Distance as FrameFunction

    type FrameDistance = Distance | FrameFunction

# Frame centres often fall on an onset or an offset; rounding must not decide which frames are in.
TOLERANCE = 1e-5
# At most 10 instances of A, B and X for each pair of phones in a context; across speakers, 5 speakers of X.
MAX_SIZE_GROUP, MAX_X_ACROSS, SEED = 10, 5, 0

type Distance = Literal["angular", "kl_symmetric", "identical"]


@dataclass(frozen=True, kw_only=True)
class AbxScores:
    """ABX error rates in %, 0 the best and 50 chance, within and across speakers.

    `items` phones were compared; `dropped` ones were too short to hold the centre of a frame. `cells` are those
    that `within` and `across` are the averages of.
    """

    within: float
    across: float
    items: int
    dropped: int
    cells: Mapping[str, AbxCells] = field(repr=False, compare=False)


def abx(item: ItemFile, features: Features, left_out: Container[str] = (), distance: Distance = "angular") -> AbxScores:
    """Return the ABX error rates of features: phones in the same context, DTW over a distance between frames.

    Parameters
    ----------
    item
        The phones to compare.
    features
        Of each file, the features (T, D) and the centres (T,) of their frames in seconds, ascending. A phone
        has the frames whose centres lie in [onset, offset]. Zero vectors are allowed.
    left_out
        Files whose phones are left out.
    distance
        `angular`, as in the challenges; `kl_symmetric`, the symmetric Kullback-Leibler divergence, for probabilities;
        or `identical`, for symbols (T, Q): the share of the Q symbols that differ, which for Q = 1 scores as the angle
        between one-hot vectors.

    Raises
    ------
    DataError
        The item file names a file without features; features are not finite, differ in dimension or do not fit
        their times; or too few phones or speakers can be compared.

    References
    ----------
    Schatz, "ABX-discriminability measures and applications", 2016. fastabx computes it; the draws and the
    averages (over contexts, then speakers, then pairs of phones) are those of the ZeroSpeech challenges.
    """
    items = [phone for phone in item.phones if phone.file not in left_out]
    _check(item.path, items, features)
    frames = [_frames(phone, *features[phone.file]) for phone in items]
    kept = [(phone.labels, part) for phone, part in zip(items, frames, strict=True) if len(part)]
    if not kept:
        raise DataError(f"{item.path}: no phone holds a frame; are its onsets and offsets in seconds?")
    dataset = _dataset(kept)
    # The one of fastabx is faster, and takes one symbol.
    measure = _differing if distance == "identical" and kept[0][1].shape[1] > 1 else distance
    cells = {
        "within": _cells(item.path, dataset, [*CONTEXT, "speaker"], [], measure),
        "across": _cells(item.path, dataset, [*CONTEXT], ["speaker"], measure),
    }
    once = dict.fromkeys((labels[-1] for labels, _ in kept), np.ones(1))
    rates = {mode: float(of_mode.error_rates(once)[0]) for mode, of_mode in cells.items()}
    return AbxScores(**rates, items=len(kept), dropped=len(items) - len(kept), cells=cells)


def _check(path: Path, items: Sequence[Item], features: Features) -> None:
    files = sorted({phone.file for phone in items})
    missing = [file for file in files if file not in features]
    if missing:
        raise DataError(
            f"{path}: no features of {missing[0]} ({len(missing)} of {len(files)} files lack them); "
            "evaluate all utterances that the item file names, or leave their lines out"
        )
    dimension = features[files[0]][0].shape[-1]
    for file in files:
        values, times = features[file]
        if values.shape != (len(times), dimension):
            raise DataError(f"{file}: features of shape {values.shape}, expected ({len(times)}, {dimension})")
        if not np.isfinite(values).all():
            raise DataError(f"{file}: NaN or infinite features; check the audio and the model they come from")


def _frames(phone: Item, values: NDArray[np.float32], times: NDArray[np.floating]) -> NDArray[np.float32]:
    first, last = np.searchsorted(times, [phone.onset - TOLERANCE, phone.offset + TOLERANCE])
    return values[first:last].astype(np.float32, copy=False)


def _dataset(labelled: Sequence[tuple[tuple[str, ...], NDArray[np.float32]]]) -> "Dataset":
    import polars
    from fastabx import Dataset, InMemoryAccessor

    labels, frames = zip(*labelled, strict=True)
    ends = np.cumsum([len(part) for part in frames]).tolist()
    spans = dict(enumerate(zip([0, *ends[:-1]], ends, strict=True)))
    return Dataset(
        polars.DataFrame(labels, schema=dict.fromkeys(LABELS, polars.String), orient="row"),
        InMemoryAccessor(spans, torch.from_numpy(np.concatenate(frames)), torch.device("cpu")),
    )


def _subsampler() -> "Subsampler":
    import polars
    from fastabx import Subsampler

    class OrderedSubsampler(Subsampler):
        """Subsampler of cells in a fixed order: polars joins them in any order, and the draws follow it."""

        def __call__(self, lazy_cells: polars.LazyFrame, *, with_across: bool) -> polars.LazyFrame:
            keys = [name for name in lazy_cells.collect_schema() if not name.startswith("index_")]
            return super().__call__(lazy_cells.sort(keys), with_across=with_across)

    return OrderedSubsampler(MAX_SIZE_GROUP, MAX_X_ACROSS, SEED)


def _cells(path: Path, dataset: "Dataset", by: list[str], across: list[str], distance: "FrameDistance") -> AbxCells:
    from fastabx import EmptyTaskError, Score, Task

    try:
        task = Task(dataset, on="#phone", by=by, across=across, subsampler=_subsampler())
    except EmptyTaskError:
        mode, needed = ("across", "from another speaker") if across else ("within", "twice")
        raise DataError(
            f"{path}: nothing to compare {mode} speakers: this takes two phones in the same context from one "
            f"speaker, and one of them {needed}; add utterances"
        ) from None
    of_x = "speaker_x" if across else "speaker"
    # In a fixed order: the last digit of their sum depends on it, and polars joins them in any.
    cells = Score(task, distance, progress=False).cells.sort("#phone", "#phone_b", *CONTEXT, "speaker", of_x)
    return AbxCells(
        pairs=list(zip(cells["#phone"], cells["#phone_b"], strict=True)),
        speakers=cells["speaker"].to_list(),
        of_x=cells[of_x].to_list(),
        errors=100 * cells["score"].to_numpy().astype(np.float64),
    )


def _differing(a: Tensor, b: Tensor) -> Tensor:
    """Return the shares (A, B, S, T) of symbols that differ between the frames of phones (A, S, Q) and (B, T, Q)."""
    # A stage at a time: no tensor of all frames, phones and stages.
    stages = range(a.shape[2])
    return sum((a[:, None, :, None, q] != b[None, :, None, :, q] for q in stages), torch.zeros(())) / len(stages)
