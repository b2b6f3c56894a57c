"""Samples of a prior beside held-out speech, what a trigram samples, and shuffled units.

`python benchmarks/prior_samples.py PRIOR CKPT HELD_OUT... --train UNITS` prints, of each, the Jensen-Shannon divergence
to held-out units, in bits, between the frequencies of units, of pairs of units that follow each other, and of the
lengths of runs; and with `--judged N` DistillMOS and DNSMOS of N that were decoded (`pip install "sqspeech[judges]"`).
Speech is cut to the seconds of a sample. What other speech has is that of the training units, of which the trigram is.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from sqspeech import Codec, Prior, audio
from sqspeech.evaluation.metrics.n_gram import KneserNey
from sqspeech.priors.sampling import Sampling
from sqspeech.units import Units, UnitSet, read

type Sequences = list[NDArray[np.int64]]

ORDER = 3
COLUMNS = ("units", "pairs", "lengths of runs")


def divergence(one: Iterable[Hashable], other: Iterable[Hashable]) -> float:
    """Return the Jensen-Shannon divergence of the frequencies of two collections, in bits: from 0 (equal) to 1."""
    counts = Counter(one), Counter(other)
    shares = np.array([[of[value] / of.total() for value in counts[0] | counts[1]] for of in counts])
    logs = np.log2(np.where(shares > 0, shares / shares.mean(0), 1))
    return float((shares * logs).sum(1).mean())


def divergences(one: Sequences, other: Sequences) -> list[float]:
    """Return those of the units, of pairs of units, and of the lengths of runs."""
    kinds = (
        lambda codes: codes.tolist(),
        lambda codes: pairwise(codes.tolist()),
        lambda codes: Units(codes=codes).runs()[1].tolist(),
    )
    return [
        divergence(*((value for codes in some for value in kind(codes)) for some in (one, other))) for kind in kinds
    ]


def sample_n_gram(train: Sequences, size: int, count: int, length: int, seed: int) -> Sequences:
    """Return sequences of the n-grams of others, in which symbols are below `size`."""
    model, random = KneserNey(train, ORDER, size), np.random.default_rng(seed)
    found = np.full((count, length + ORDER - 1), size)
    symbols = np.arange(size)
    for place in range(ORDER - 1, found.shape[1]):
        before = found[:, place - ORDER + 1 : place].repeat(size, axis=0)
        grams = np.column_stack([before, np.tile(symbols, count)])
        cumulative = model.probabilities(grams).reshape(count, size).cumsum(1)
        found[:, place] = (cumulative < random.random((count, 1)) * cumulative[:, -1:]).sum(1)
    return list(found[:, ORDER - 1 :])


def pieces(sets: Sequence[UnitSet], length: int, seed: int) -> Sequences:
    """Return the parts of a length that the utterances have, in any order."""
    parts = [
        found.codes[start : start + length]
        for units in sets
        for found in units.units.values()
        for start in range(0, len(found) - length + 1, length)
    ]
    return [parts[place] for place in np.random.default_rng(seed).permutation(len(parts))]


def judge(codec: Codec, sequences: Sequence[NDArray[np.int64]], speakers: Sequence[str]) -> Mapping[str, list[float]]:
    """Return the scores of units that are decoded for speakers in turn."""
    from sqspeech.evaluation.judges.distill_mos import DistillMos
    from sqspeech.evaluation.judges.dns_mos import DnsMos

    made = [codec.decode(codes, speakers[place % len(speakers)]) for place, codes in enumerate(sequences)]
    speech = [audio.resample(samples, rate, 16000) for samples, rate in made]
    scores = {"DistillMOS": DistillMos("cpu")(speech)}
    return scores | {"DNSMOS": [score["overall"] for score in DnsMos()(speech)]}


def main(
    prior: Annotated[Path, typer.Argument(help="Of the units.")],
    checkpoint: Annotated[Path, typer.Argument(help="The model whose units they are.")],
    held_out: Annotated[list[Path], typer.Argument(help="Folders of units.")],
    train: Annotated[Path, typer.Option(help="Folder of the units that the prior was trained on.")],
    count: Annotated[int, typer.Option(help="Samples.")] = 200,
    seconds: Annotated[float, typer.Option(help="Of a sample.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    judged: Annotated[int, typer.Option(help="Samples that are decoded and judged.")] = 0,
) -> None:
    """Print the divergences and the scores."""
    torch.set_num_threads(1)
    model, codec, of_train = Prior.load(prior), Codec.load(checkpoint), read(train)
    length, size = round(seconds * of_train.info.frame_rate), of_train.info.codebook_size
    speech = pieces([read(folder) for folder in held_out], length, seed)
    shuffled = np.random.default_rng(seed).permutation(np.concatenate(speech)).reshape(len(speech), length)
    draw = partial(model.sample, seconds, count=count, seed=seed)
    sharper = Sampling(temperature=0.7, top_p=0.95)
    systems: dict[str, Sequences] = {
        "other speech": pieces([of_train], length, seed)[:count],
        "prior": [found.codes for found in draw()],
        "prior, temperature 0.7, top-p 0.95": [found.codes for found in draw(sampling=sharper)],
        "trigram": sample_n_gram([found.codes for found in of_train.units.values()], size, count, length, seed),
        "shuffled units": list(shuffled),
    }
    print(f"{len(speech)} held-out pieces of {seconds:g} s, {count} samples")
    print("|", *COLUMNS, sep=" | ")
    for name, sequences in systems.items():
        print(name, *(f"{value:.3f}" for value in divergences(sequences, speech)), sep=" | ")
    for name, sequences in ({"held-out speech": speech} | systems).items() if judged else ():
        scores = judge(codec, sequences[:judged], codec.speakers)
        print(name, *(f"{key} {fmean(of):.2f} ± {stdev(of):.2f}" for key, of in scores.items()), sep=" | ")


if __name__ == "__main__":
    typer.run(main)
