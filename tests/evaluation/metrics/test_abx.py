from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sqspeech import audio
from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.abx import abx
from sqspeech.evaluation.metrics.item import ItemFile
from sqspeech.evaluation.metrics.unit_metric import Features
from sqspeech.evaluation.units.mfcc import mfcc

HEADER = "#file onset offset #phone prev-phone next-phone speaker\n"
CONTEXTS = [("SIL", "T"), ("K", "S")]
Phone = tuple[str, tuple[str, str], str, NDArray[np.float32]]
FrameDistance = Callable[[NDArray[np.float32], NDArray[np.float32]], float]


def write_item(path: Path, lines: list[str]) -> Path:
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return path


def corpus(folder: Path, speakers: int = 3) -> tuple[Path, dict[str, NDArray[np.float32]], list[Phone]]:
    """Write an item file over noisy phones of 2 to 5 frames at 100 Hz, one file a speaker."""
    random = np.random.default_rng(0)
    means = {phone: random.normal(size=4) for phone in "abc"}
    lines: list[str] = []
    phones: list[Phone] = []
    for speaker in map(str, range(speakers)):
        end = 0
        for phone, context, _ in product("abc", CONTEXTS, range(3)):
            length = int(random.integers(2, 6))
            frames = (means[phone] + 0.8 * random.normal(size=(length, 4))).astype(np.float32)
            phones.append((phone, context, speaker, frames))
            start, end = end, end + length
            lines.append(f"f{speaker} {start / 100} {end / 100} {phone} {' '.join(context)} {speaker}")
    files = {
        f"f{speaker}": np.concatenate([part for *_, owner, part in phones if owner == str(speaker)])
        for speaker in range(speakers)
    }
    return write_item(folder / "phones.item", lines), files, phones


def with_times(files: dict[str, NDArray[np.float32]]) -> Features:
    return {file: (values, (np.arange(len(values)) + 0.5) / 100) for file, values in files.items()}


def angle(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    return float(np.arccos(np.clip(np.dot(x, y) / (np.linalg.norm(x) * np.linalg.norm(y)), -1, 1)))


def kl_symmetric(p: NDArray[np.float32], q: NDArray[np.float32]) -> float:
    return float((p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()) / 2


def dtw(x: NDArray[np.float32], y: NDArray[np.float32], distance: FrameDistance) -> float:
    """Mean distance over the best path, by its definition."""
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for i, j in product(range(len(x)), range(len(y))):
        before = [best[k] for k in ((i - 1, j - 1), (i, j - 1), (i - 1, j)) if k in best]
        cost, steps = min(before, key=lambda b: b[0]) if before else (0.0, 0)
        best[i, j] = cost + distance(x[i], y[j]), steps + 1
    cost, steps = best[len(x) - 1, len(y) - 1]
    return cost / steps


def slow_abx(phones: list[Phone], across: bool, distance: FrameDistance = angle) -> float:
    """Mean over pairs of phones of the mean over speakers of the mean over cells, in %."""

    def find(phone: str, context: tuple[str, str], speaker: str) -> list[NDArray[np.float32]]:
        return [part for *labels, part in phones if labels == [phone, context, speaker]]

    def cell(pair: tuple[str, str], context: tuple[str, str], speaker: str, other: str) -> float:
        a_set, b_set, x_set = (
            find(*key) for key in zip((*pair, pair[0]), [context] * 3, (speaker, speaker, other), strict=True)
        )
        return float(
            np.mean(
                [
                    (1 + np.sign(round(dtw(x, a, distance) - dtw(x, b, distance), 6))) / 2
                    for a in a_set
                    for b in b_set
                    for x in x_set
                    if x is not a
                ]
            )
        )

    speakers = sorted({speaker for _, _, speaker, _ in phones})
    return 100 * float(
        np.mean(
            [
                np.mean(
                    [
                        cell(pair, context, speaker, other)
                        for context in CONTEXTS
                        for other in speakers
                        if (other != speaker) is across
                    ]
                )
                for pair in permutations("abc", 2)
                for speaker in speakers
            ]
        )
    )


def test_scores_equal_the_slow_definition(tmp_path: Path) -> None:
    item, files, phones = corpus(tmp_path)
    scores = abx(ItemFile.read(item), with_times(files))
    assert scores.within == pytest.approx(slow_abx(phones, across=False), abs=1e-3)
    assert scores.across == pytest.approx(slow_abx(phones, across=True), abs=1e-3)
    assert 5 < scores.within < 45
    assert (scores.items, scores.dropped) == (len(phones), 0)


def test_scores_of_probabilities_equal_the_slow_definition(tmp_path: Path) -> None:
    item, files, phones = corpus(tmp_path)

    def softmax(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.exp(values) / np.exp(values).sum(1, keepdims=True)

    probabilities = [(*labels, softmax(part)) for *labels, part in phones]
    features = with_times({file: softmax(values) for file, values in files.items()})
    scores = abx(ItemFile.read(item), features, distance="kl_symmetric")
    assert scores.within == pytest.approx(slow_abx(probabilities, across=False, distance=kl_symmetric), abs=0.1)
    assert scores.across == pytest.approx(slow_abx(probabilities, across=True, distance=kl_symmetric), abs=0.1)


def test_symbols_score_as_the_angles_of_their_one_hot_vectors(tmp_path: Path) -> None:
    item, files, _ = corpus(tmp_path)
    codes = {file: values.argmax(1) for file, values in files.items()}
    symbols = with_times({file: part[:, None].astype(np.float32) for file, part in codes.items()})
    one_hot = with_times({file: np.eye(4, dtype=np.float32)[part] for file, part in codes.items()})
    scores = abx(ItemFile.read(item), symbols, distance="identical")
    assert scores == abx(ItemFile.read(item), one_hot)
    assert 5 < scores.within < 45


def test_symbols_of_several_stages_score_by_the_share_that_differs(tmp_path: Path) -> None:
    item, files, phones = corpus(tmp_path)

    def quantise(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.round(values[:, :3]).astype(np.float32)

    def differing(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
        return sum(a != b for a, b in zip(x.tolist(), y.tolist(), strict=True)) / 3

    scores = abx(
        ItemFile.read(item), with_times({file: quantise(v) for file, v in files.items()}), distance="identical"
    )
    symbols = [(*labels, quantise(part)) for *labels, part in phones]
    # Ties, which count half, are more frequent than between vectors: a small allowance for the order of rounding.
    assert scores.within == pytest.approx(slow_abx(symbols, across=False, distance=differing), abs=0.1)
    assert scores.across == pytest.approx(slow_abx(symbols, across=True, distance=differing), abs=0.1)


def test_scores_equal_the_zerospeech_benchmark(tmp_path: Path) -> None:
    from fastabx import zerospeech_abx

    item, files, _ = corpus(tmp_path)
    for file, values in files.items():
        torch.save(torch.from_numpy(values), tmp_path / f"{file}.pt")
    scores = abx(ItemFile.read(item), with_times(files))
    for speaker, score in (("within", scores.within), ("across", scores.across)):
        expected = zerospeech_abx(
            item, tmp_path, max_size_group=10, max_x_across=5, speaker=speaker, frequency=100, progress=False
        )
        assert score == pytest.approx(100 * expected, abs=1e-3)


def test_zero_vectors_have_a_score(tmp_path: Path) -> None:
    item, files, _ = corpus(tmp_path)
    files["f0"][:] = 0
    assert np.isfinite(abx(ItemFile.read(item), with_times(files)).across)


def test_same_draws_every_time(tmp_path: Path) -> None:
    item, files, _ = corpus(tmp_path, speakers=9)
    assert len({abx(ItemFile.read(item), with_times(files)) for _ in range(5)}) == 1


def test_frames_on_the_bounds_belong_and_empty_phones_are_dropped(tmp_path: Path) -> None:
    item, files, phones = corpus(tmp_path)
    features = with_times(files)
    values, times = features["f0"]
    on_bounds = {**features, "f0": (values, times.astype(np.float32))}
    lines = item.read_text().splitlines()[1:]
    # The second phone of f0 shrinks to its first frame, and its third falls between two frames.
    onset = float(lines[1].split()[1])
    centre = f"{onset + 0.005:.3f}"
    lines[1] = lines[1].replace(" ".join(lines[1].split()[1:3]), f"{centre} {onset + 0.006:.3f}")
    lines[2] = lines[2].replace(" ".join(lines[2].split()[1:3]), f"{onset + 0.006:.3f} {onset + 0.014:.3f}")
    scores = abx(ItemFile.read(write_item(item, lines)), on_bounds)
    assert (scores.items, scores.dropped) == (len(phones) - 1, 1)


def test_item_of_an_unknown_file(tmp_path: Path) -> None:
    item, files, _ = corpus(tmp_path)
    del files["f1"]
    with pytest.raises(DataError, match=r"no features of f1 \(1 of 3 files"):
        abx(ItemFile.read(item), with_times(files))


def test_one_speaker_cannot_be_compared_across(tmp_path: Path) -> None:
    item, files, _ = corpus(tmp_path, speakers=1)
    with pytest.raises(DataError, match="nothing to compare across speakers"):
        abx(ItemFile.read(item), with_times(files))


def test_phones_that_never_repeat_cannot_be_compared_within(tmp_path: Path) -> None:
    item, files, _ = corpus(tmp_path)
    lines = item.read_text().splitlines()[1::3]
    with pytest.raises(DataError, match="nothing to compare within speakers"):
        abx(ItemFile.read(write_item(item, lines)), with_times(files))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda values, times: (values * np.float32("nan"), times), "NaN"),
        (lambda values, times: (values, times[1:]), "shape"),
        (lambda values, times: (values[:, :2], times), "shape"),
        (lambda values, times: (values, times + 1000), "no phone holds a frame"),
    ],
)
def test_features_that_do_not_fit(tmp_path: Path, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    item, files, _ = corpus(tmp_path)
    features = dict(with_times(files))
    spoiled = features if "frame" in message else ["f1"]
    with pytest.raises(DataError, match=message):
        abx(ItemFile.read(item), {**features, **{file: spoil(*features[file]) for file in spoiled}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: expected the header"),
        ("file onset offset\n", ":1: expected the header"),
        (HEADER, "no phone"),
        (HEADER + "f0 0.0 0.1 a b c s\nf0 0.1 a b c s\n", ":3: expected"),
        (HEADER + "f0 0.0 zero a b c s\n", ":2: expected"),
        (HEADER + "f0 0.2 0.1 a b c s\n", ":2: expected"),
    ],
)
def test_malformed_item_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "phones.item").write_text(text)
    with pytest.raises(DataError, match=message):
        ItemFile.read(tmp_path / "phones.item")


def test_missing_item_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the item file"):
        ItemFile.read(tmp_path / "phones.item")


def test_mfcc_of_real_speech_tell_phones_apart_and_noise_does_not(speech: Path, tmp_path: Path) -> None:
    root = speech / "librispeech28"
    lines = (root / "phones.item").read_text().splitlines()[1:]
    item = write_item(tmp_path / "phones.item", [line for line in lines if line.split()[-1] <= "1867"])
    files = {line.split()[0] for line in item.read_text().splitlines()[1:]}
    paths = dict(line.split() for line in (root / "wav.scp").read_text().splitlines())
    features = {file: mfcc(*audio.read(root / paths[file])) for file in sorted(files)}
    scores = abx(ItemFile.read(item), features)
    assert 5 < scores.within < 14
    assert scores.within + 5 < scores.across < 28

    random = np.random.default_rng(0)
    noise = {file: (random.normal(size=v.shape).astype(np.float32), t) for file, (v, t) in features.items()}
    chance = abx(ItemFile.read(item), noise)
    assert min(chance.within, chance.across) > 45


def test_mfcc_do_not_depend_on_the_level(speech: Path) -> None:
    root = speech / "librispeech28"
    path = (root / "wav.scp").read_text().split()[1]
    samples, rate = audio.read(root / path, end=2.0)
    features, times = mfcc(samples, rate)
    np.testing.assert_allclose(mfcc(samples / 4, rate)[0], features, atol=1e-2)
    assert features.shape == (198, 13)
    np.testing.assert_allclose(times[[0, -1]], [0.0125, 1.9825])


def test_too_short_for_mfcc() -> None:
    with pytest.raises(DataError, match="too short"):
        mfcc(np.zeros(399, dtype=np.float32), 16000)
