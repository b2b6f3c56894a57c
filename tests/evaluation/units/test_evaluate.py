"""Evaluation of units on a tiny corpus with known units."""

import json
from collections import Counter
from dataclasses import replace
from functools import reduce
from itertools import groupby
from math import log2
from operator import getitem
from pathlib import Path

import numpy as np
import pytest
from corpus import write_corpus

from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.errors import DataError
from sqspeech.evaluation.metrics.abx import abx
from sqspeech.evaluation.metrics.item import ItemFile
from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS, TableRow, UnitMetric
from sqspeech.evaluation.units.evaluate import evaluate_units
from sqspeech.evaluation.units.mfcc import mfcc
from sqspeech.evaluation.units.table import table_of_sets, unit_table
from sqspeech.evaluation.units.trade_picture import draw_trade
from sqspeech.units import UnitInfo, Units, UnitSet

STEPS, SIZE = 39, 8
INFO = UnitInfo(frame_rate=50.0, offset=0.005, codebook_size=SIZE, checkpoint="0123")
PHONES = ((0.1, "A"), (0.25, "B"), (0.4, "A"), (0.55, "B"))
HEADER = "#file onset offset #phone prev-phone next-phone speaker\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> DataDir:
    return DataDir.read(write_corpus(tmp_path_factory.mktemp("corpus")))


@pytest.fixture(scope="module")
def units(data) -> UnitSet:
    """Units that follow the phones, with noise."""
    random = np.random.default_rng(0)
    codebook = random.normal(size=(SIZE, 4)).astype(np.float32)

    def of_utterance() -> Units:
        codes = np.where((INFO.centres(STEPS) - 0.1) % 0.3 < 0.15, 0, 1) + 2 * random.integers(0, 2, STEPS)
        return Units(
            codes=codes,
            vectors=codebook[codes],
            posteriors=(0.9 * np.eye(SIZE)[codes] + 0.1 / SIZE).astype(np.float32),
            continuous=codebook[codes] + random.normal(size=(STEPS, 4)).astype(np.float32),
        )

    return UnitSet(info=INFO, units={utterance.utt_id: of_utterance() for utterance in data})


@pytest.fixture
def item(data, tmp_path) -> Path:
    lines = [f"{u.utt_id} {onset} {onset + 0.15:.2f} {phone} X Y {u.spk_id}\n" for u in data for onset, phone in PHONES]
    (tmp_path / "phones.item").write_text(HEADER + "".join(lines))
    return tmp_path / "phones.item"


@pytest.fixture
def ctm(data, tmp_path) -> Path:
    lines = [f"{u.utt_id} 1 {onset} 0.15 {phone}\n" for u in data for onset, phone in PHONES]
    (tmp_path / "phones.ctm").write_text("".join(lines))
    return tmp_path / "phones.ctm"


def changed(units: UnitSet, **by_utterance: Units | None) -> UnitSet:
    """Replace the units of some utterances (f1_00 is f1-00), or remove them."""
    named = {name.replace("_", "-"): value for name, value in by_utterance.items()}
    return replace(units, units={name: value for name, value in {**units.units, **named}.items() if value is not None})


def test_all_metrics_are_plain_values(units, data, item, ctm) -> None:
    coarse = replace(units, units={name: Units(codes=units[name].codes % 2) for name in units})
    evaluation = evaluate_units({"fine": units, "coarse": coarse}, data, item=item, alignment=ctm)
    metrics = evaluation.metrics
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    fine, poor = metrics["systems"]["fine"], metrics["systems"]["coarse"]
    assert {name for name in fine if name.startswith("abx")} == {
        "abx_code_vectors",
        "abx_one_hot",
        "abx_posteriors",
        "abx_posteriors_kl",
        "abx_continuous",
    }
    assert {name for name in poor if name.startswith("abx")} == {"abx_one_hot"}
    assert metrics["notes"] == []
    assert (metrics["speakers"], metrics["utterances"]) == (4, 12)
    assert metrics["seconds"] == pytest.approx(12 * 0.8)
    assert poor["abx_one_hot"]["across"] == 0
    assert 0 < fine["abx_continuous"]["across"] < 50
    assert poor["pnmi"] == pytest.approx(1.0, abs=1e-6)
    assert poor["phone_purity"] == poor["cluster_purity"] == 1.0
    assert fine["cluster_purity"] < 0.6
    assert (fine["active_codes"], poor["active_codes"]) == (4, 2)
    # 0.1 to 0.7 s of each utterance: the centres 0.115 to 0.695 s.
    assert (fine["steps_with_a_phone"], fine["steps_without_a_phone"]) == (12 * 30, 12 * 9)


def test_rates_equal_a_recount(units, data) -> None:
    metrics = evaluate_units({"x": units}, data).metrics["systems"]["x"]
    codes = [units[name].codes.tolist() for name in units]
    counts = Counter(code for utterance in codes for code in utterance)
    bits = sum(n * log2(12 * STEPS / n) for n in counts.values())
    assert metrics["bitrate"] == pytest.approx(bits / (12 * 0.8))
    assert metrics["perplexity"] == pytest.approx(2 ** (bits / (12 * STEPS)))
    assert metrics["units_per_second"] == pytest.approx(STEPS / 0.8)
    runs = sum(len(list(groupby(utterance))) for utterance in codes)
    assert metrics["runs_per_second"] == pytest.approx(runs / (12 * 0.8))
    assert metrics["bitrate_of_runs"] < metrics["bitrate_of_timed_runs"]
    assert "pnmi" not in metrics


def test_baselines_are_those_of_the_same_recordings(units, data, item) -> None:
    baselines = evaluate_units({"x": units}, data, item=item).metrics["baselines"]
    expected = abx(ItemFile.read(item), {u.utt_id: mfcc(u.read(16000), 16000) for u in data})
    assert baselines["mfcc"]["abx"]["across"] == pytest.approx(expected.across, abs=0.1)
    assert baselines["mfcc"]["abx"]["within"] == pytest.approx(expected.within, abs=0.1)
    # Each voice has its own pitch, which the mel bands show.
    assert baselines["log_mel"]["speaker_accuracy"] > 50


def test_seeds_of_a_system_are_its_mean_and_standard_deviation(units, data, item) -> None:
    coarse = replace(units, units={name: Units(codes=units[name].codes % 2) for name in units})
    seeds = {"best": ["best-0", "best-1"], "other": ["fine"]}
    metrics = evaluate_units({"best-0": units, "best-1": coarse, "fine": units}, data, item=item, seeds=seeds).metrics
    alone = evaluate_units({"best-0": units, "best-1": coarse}, data, item=item).metrics["systems"]
    assert list(metrics["systems"]) == ["best", "other"]
    assert metrics["seeds"] == {"best": alone}
    assert metrics["systems"]["other"] == alone["best-0"]
    for keys in (("bitrate",), ("abx_one_hot", "across")):
        one, two = (reduce(getitem, keys, alone[name]) for name in alone)
        assert reduce(getitem, keys, metrics["systems"]["best"]) == pytest.approx((one + two) / 2)
        assert reduce(getitem, keys, metrics["sd"]["best"]) == pytest.approx(abs(one - two) / 2**0.5)
    # The second seed has no vectors.
    assert "abx_code_vectors" not in metrics["systems"]["best"]
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_differences_to_a_system_and_to_a_baseline(units, data, item) -> None:
    random = np.random.default_rng(2)
    poor = replace(units, units={name: Units(codes=random.integers(0, SIZE, STEPS)) for name in units})
    metrics = evaluate_units({"fine": units, "again": units, "poor": poor}, data, item=item, against="fine").metrics
    found = metrics["differences"]["systems"]
    assert list(found) == ["again", "poor"]
    assert found["again"]["abx_continuous"]["across"] == {"difference": 0, "low": 0, "high": 0}
    one_hot = found["poor"]["abx_one_hot"]["across"]
    fine, bad = (metrics["systems"][name]["abx_one_hot"]["across"] for name in ("fine", "poor"))
    assert one_hot["difference"] == pytest.approx(bad - fine)
    assert 0 < one_hot["low"] < one_hot["difference"] < one_hot["high"]
    assert "abx_continuous" not in found["poor"]
    to_mfcc = evaluate_units({"poor": poor}, data, item=item, against="mfcc").metrics
    across = to_mfcc["differences"]["systems"]["poor"]["abx_one_hot"]["across"]
    assert across["difference"] == pytest.approx(bad - to_mfcc["baselines"]["mfcc"]["abx"]["across"])
    lines = unit_table(to_mfcc).splitlines()
    assert f"{across['difference']:+.3g} [{across['low']:+.3g}, {across['high']:+.3g}]" in lines[4]
    assert lines[-1] == "below a value: its difference to mfcc and the 95 % interval of 2000 draws of the 4 speakers"


def test_without_abx_a_note_says_that_there_are_no_differences(units, data) -> None:
    metrics = evaluate_units({"x": units}, data, against="mfcc").metrics
    assert unit_table(metrics).endswith("no differences to mfcc: they are of ABX, which an item file adds")


def test_an_item_file_with_other_names_of_speakers_has_no_intervals(units, data, item) -> None:
    item.write_text(item.read_text().replace(" f1\n", " F1\n"))
    with pytest.raises(DataError, match=r"F1 is no speaker of the data directory \(1 are not\)"):
        evaluate_units({"x": units}, data, item=item, against="mfcc")


def test_a_table_of_sets_has_their_columns(units, data, item) -> None:
    sets = {
        "with": evaluate_units({"x": units}, data, item=item).metrics,
        "less": evaluate_units({"x": units}, data).metrics,
    }
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table_of_sets(sets).splitlines()]
    values = [sets["with"]["systems"]["x"], sets["with"]["baselines"]["mfcc"]]
    first = next(number for number, row in enumerate(rows) if row[:1] == ["ABX across, one-hot codes (%)"])
    assert rows[first][1:] == ["x", f"{values[0]['abx_one_hot']['across']:.4g}", "", "lower"]
    assert rows[first + 1] == ["", "MFCC", f"{values[1]['abx']['across']:.4g}", "", ""]
    rate = f"{values[0]['bitrate']:.4g}"
    assert ["bitrate (bit/s)", "x", rate, rate, "lower, at equal ABX"] in rows


def test_units_that_encode_the_speaker_have_full_speaker_leakage(units, data) -> None:
    speakers = {speaker: number for number, speaker in enumerate(data.speakers)}
    telling = {u.utt_id: Units(codes=np.full(STEPS, speakers[u.spk_id])) for u in data}
    metrics = evaluate_units({"x": replace(units, units=telling)}, data).metrics
    assert metrics["systems"]["x"]["speaker_accuracy"] == 100.0
    assert metrics["speaker_chance"] == 25.0


def test_notes_list_the_data_that_are_left_out(units, data, ctm) -> None:
    ctm.write_text("".join(line for line in ctm.read_text().splitlines(True) if not line.startswith("f1-00")))
    fewer = changed(units, m1_00=None, m1_01=None)
    metrics = evaluate_units({"x": fewer}, data, alignment=ctm).metrics
    assert metrics["systems"]["x"]["utterances_without_alignment"] == 1
    assert metrics["notes"] == [
        "utterances of the data directory without units: 2",
        "not in the purities, as the alignment lacks them: 1 (f1-00)",
        "not in the speaker accuracy, as their speakers' only utterances: 1 (m1-02)",
    ]
    assert metrics["notes"][1] in unit_table(metrics)


def test_the_table_has_a_column_for_each_system_and_the_better_direction(units, data, item, ctm) -> None:
    metrics = evaluate_units({"first": units, "second": units}, data, item=item, alignment=ctm).metrics
    text = unit_table(metrics)
    rows = {line.split("│")[1].strip(): line.split("│")[2:-1] for line in text.splitlines() if line.startswith("│")}
    assert "first" in text
    assert "second" in text
    value = f"{metrics['systems']['first']['abx_code_vectors']['across']:.4g}"
    reference = f"{metrics['baselines']['mfcc']['abx']['across']:.4g}"
    row = [cell.strip() for cell in rows["ABX across, code vectors (%)"]]
    assert row[:3] == [value, value, reference]
    assert row[-1] == "lower"
    assert rows["PNMI"][-1].strip() == "higher"
    assert rows["speakers recognised (%)"][-1].strip() == "lower, chance 25.0"
    assert "ABX across, code vectors (%)" not in unit_table(evaluate_units({"x": units}, data).metrics)


def test_a_measure_of_zero_is_shown(units, data) -> None:
    constant = replace(units, units={name: Units(codes=np.zeros(STEPS, dtype=np.int64)) for name in units})
    text = unit_table(evaluate_units({"x": constant}, data).metrics)
    assert any(line.split("│")[2].strip() == "0" for line in text.splitlines() if "bitrate (bit/s)" in line)


def test_systems_of_other_utterances_cannot_be_compared(units, data) -> None:
    with pytest.raises(DataError, match=r"b: other utterances than a has, such as f1-00 \(1 differ\)"):
        evaluate_units({"a": units, "b": changed(units, f1_00=None)}, data)


BROKEN = {
    "no units": (lambda units: replace(units, units={}), "x: no units; make them again"),
    "an empty utterance": (
        lambda units: changed(units, f1_00=Units(codes=np.array([], dtype=np.int64))),
        "x: f1-00 has no unit",
    ),
    "outside the codebook": (
        lambda units: changed(units, f1_00=Units(codes=np.full(STEPS, SIZE))),
        "units from 8 to 8 of a codebook of 8",
    ),
    "unknown utterance": (
        lambda units: changed(units, zz_00=units["f1-00"]),
        r"x: zz-00 is not in the data directory \(1 of 13 utterances\)",
    ),
    "other recordings": (
        lambda units: changed(units, f1_00=Units(codes=np.zeros(60, dtype=np.int64))),
        r"the units of f1-00 last 1.20 s and its recording 0.80 s; is this the data directory",
    ),
    "deduplicated": (
        lambda units: UnitSet(
            info=replace(INFO, deduplicated=True),
            units={name: Units(codes=units[name].runs()[0]) for name in units},
        ),
        "x: deduplicated units without their durations, .*; write them with --durations",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_units_that_cannot_be_used(units, data, case: str) -> None:
    spoil, message = BROKEN[case]
    with pytest.raises(DataError, match=message):
        evaluate_units({"x": spoil(units)}, data)


def test_a_single_speaker_has_all_metrics_but_speaker_accuracy(units, data, tmp_path) -> None:
    own = replace(units, units={name: units[name] for name in units if name.startswith("f1")})
    metrics = evaluate_units({"x": own}, data).metrics
    assert metrics["systems"]["x"]["bitrate"] > 0
    assert "speaker_accuracy" not in metrics["systems"]["x"]
    assert metrics["speaker_chance"] is None
    assert metrics["notes"][1].startswith("no speaker accuracy: 1 of 1 speakers have 2 utterances or more")
    assert "speakers recognised" not in unit_table(metrics)
    draw_trade(tmp_path / "trade.png", {"": metrics})
    assert not (tmp_path / "trade.png").exists()


def test_vectors_that_do_not_fit_the_codes(units, data, item) -> None:
    short = replace(units["f1-00"], vectors=units["f1-00"].vectors[:-1])
    with pytest.raises(DataError, match=r"f1-00: features of shape \(38, 4\), expected \(39, 4\)"):
        evaluate_units({"x": changed(units, f1_00=short)}, data, item=item)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("zz-00 0.1 0.2 A X Y f1", r"phones.item: no units of zz-00 \(1 of 13 files lack them\)"),
        ("f1-00 0.7 0.83 A X Y f1", r"phones.item:50: a phone ends at 0.83 s, but f1-00 at 0.80 s"),
        ("f1-00 0.7 A X Y f1", "phones.item:50: expected"),
    ],
)
def test_an_item_file_that_does_not_fit(units, data, item, line: str, message: str) -> None:
    item.write_text(item.read_text() + line + "\n")
    with pytest.raises(DataError, match=message):
        evaluate_units({"x": units}, data, item=item)


def test_a_phone_may_end_with_its_recording(units, data, item) -> None:
    item.write_text(item.read_text() + "f1-00 0.7 0.81 A X Y f1\n")
    assert evaluate_units({"x": units}, data, item=item).metrics["systems"]["x"]["abx_one_hot"]["items"] == 49


def test_an_alignment_of_other_data(units, data, ctm) -> None:
    ctm.write_text("other-1 1 0.0 0.5 A\n")
    with pytest.raises(DataError, match=r"none of the 12 utterances is aligned; it names other-1, the units f1-00"):
        evaluate_units({"x": units}, data, alignment=ctm)


def test_a_metric_registered_from_outside_is_in_the_json_and_the_table(units, data, monkeypatch) -> None:
    UNIT_METRICS.names()
    monkeypatch.setattr(UNIT_METRICS, "_classes", dict(UNIT_METRICS._classes))

    @UNIT_METRICS.register("longest_run")
    class LongestRun(UnitMetric):
        rows = (TableRow(name="longest run", keys=("longest_run",), better="longer"),)

        def of_system(self, name):
            return {"longest_run": max(int(found.runs()[1].max()) for found in self.test.systems[name].units.values())}

    constant = replace(units, units={name: Units(codes=np.zeros(STEPS, dtype=np.int64)) for name in units})
    metrics = evaluate_units({"x": constant}, data).metrics
    assert metrics["systems"]["x"]["longest_run"] == STEPS
    (line,) = (line for line in unit_table(metrics).splitlines() if "longest run" in line)
    assert [cell.strip() for cell in line.split("│")[1:-1]] == ["longest run", str(STEPS), "", "", "longer"]


def test_the_item_file_and_the_recordings_are_read_once(units, data, item, monkeypatch) -> None:
    read: Counter[str] = Counter()
    of_item, of_audio = Path.read_text, Utterance.read
    monkeypatch.setattr(Path, "read_text", lambda self, **k: read.update([self.name]) or of_item(self, **k))
    monkeypatch.setattr(Utterance, "read", lambda self, rate: read.update([self.utt_id]) or of_audio(self, rate))
    evaluate_units({"a": units, "b": units}, data, item=item)
    assert read == {"phones.item": 1} | {utterance.utt_id: 1 for utterance in data}


def test_units_of_several_stages(units, data, item, ctm) -> None:
    random = np.random.default_rng(1)
    second = {name: random.integers(0, SIZE, STEPS) for name in units}
    staged = {name: Units(codes=np.stack([units[name].codes, second[name]], 1)) for name in units}
    evaluation = evaluate_units({"one": units, "two": replace(units, units=staged)}, data, item=item, alignment=ctm)
    one, two = evaluation.metrics["systems"]["one"], evaluation.metrics["systems"]["two"]
    assert json.loads(json.dumps(evaluation.metrics, allow_nan=False)) == evaluation.metrics
    # The first stage is that of the other system; the second is noise, with nearly all of its codes in use.
    assert {name: two[name] for name in ("phone_purity", "cluster_purity", "pnmi")} == {
        name: one[name] for name in ("phone_purity", "cluster_purity", "pnmi")
    }
    assert two["pnmi_of_joint"] >= two["pnmi"] - 1e-9
    assert two["perplexity_by_stage"][0] == one["perplexity"]
    assert two["perplexity"] == pytest.approx(np.mean(two["perplexity_by_stage"]))
    assert two["active_codes_by_stage"] == [4, SIZE]
    assert one["bitrate"] < two["bitrate"] <= two["bitrate_of_stages"]
    assert two["units_per_second"] == one["units_per_second"]
    assert two["runs_per_second"] > one["runs_per_second"]
    assert one["abx_one_hot"]["across"] < two["abx_one_hot"]["across"]
    assert {"bitrate_of_stages", "pnmi_of_joint", "perplexity_by_stage"}.isdisjoint(one)
    rows = [line.split("│")[1:4] for line in unit_table(evaluation.metrics).splitlines() if line.startswith("│")]
    assert ["", f"4 {SIZE}"] in [[cell.strip() for cell in row[1:]] for row in rows if row[0].strip() == "by stage"]
