import base64
import io
import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from sqspeech import audio
from sqspeech.errors import ConfigError, DataError, SqspeechError
from sqspeech.features import LogMelConfig
from sqspeech.report import write_report
from sqspeech.report.experiment import read_experiment
from sqspeech.report.listening import LONGEST, MOST_SAMPLES, MOST_SOURCES, MOST_TARGETS, read_listening
from sqspeech.report.panels import PANELS, panels
from sqspeech.report.plots import panel_picture, usage_picture

VOID = {"meta", "link", "img", "source", "br"}


class Page(HTMLParser):
    """Every element with its attributes and all text inside it; fails on unbalanced tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[int] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.texts.append("")
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, tag):
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data):
        for index in self.open:
            self.texts[index] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag: str, **wanted: str) -> str:
        for (name, attributes), text in zip(self.elements, self.texts, strict=True):
            if name == tag and wanted.items() <= attributes.items():
                return text
        raise AssertionError(f"no <{tag}> {wanted}")


def report(exp: Path) -> Page:
    write_report(exp, exp / "report.html")
    return Page((exp / "report.html").read_text())


@pytest.fixture(scope="module")
def page(reported) -> Page:
    return Page((reported / "report.html").read_text())


def noise(path: Path, seconds: float) -> None:
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, round(16000 * seconds)), 16000)


def decode(uri: str, media_type: str) -> bytes:
    head, _, content = uri.partition(",")
    assert head == f"data:{media_type};base64"
    return base64.b64decode(content, validate=True)


def spectrograms(page: Page) -> list[Image.Image]:
    sources = [image["src"] for image in page.all("img") if image["alt"].startswith("Log-mel spectrogram")]
    return [Image.open(io.BytesIO(decode(source, "image/png"))) for source in sources]


def test_every_cell_has_a_player_with_the_samples_of_its_wav(reported, page):
    players = page.all("audio")
    conversion = reported / "conversion"
    expected = [
        audio.read(reported.parent / "a-1.flac", start=0.25, end=0.75)[0],
        audio.read(conversion / "a-1/source.wav")[0],
        audio.read(conversion / "a-1/b.wav")[0],
        audio.read(reported.parent / "b-1.wav")[0],
        audio.read(conversion / "b-1/source.wav")[0],
        audio.read(conversion / "b-1/a.wav")[0],
    ]
    assert len(players) == len(expected)
    for player, samples in zip(players, expected, strict=True):
        decoded, rate = soundfile.read(io.BytesIO(decode(player["src"], "audio/flac")), dtype="float32")
        assert rate == 16000
        assert np.array_equal(decoded, samples)
        assert "controls" in player


def test_players_and_spectrograms_name_utterance_role_and_speaker(page):
    labels = [player["aria-label"] for player in page.all("audio")]
    assert labels[:3] == [
        "a-1, source, speaker a",
        "a-1, reconstruction, speaker a",
        "a-1, conversion, speaker b",
    ]
    assert all(image["alt"] for image in page.all("img"))


def test_spectrograms_have_a_pixel_a_frame_and_band_of_the_configured_features(page):
    sizes = [image.size for image in spectrograms(page)]
    assert [width for width, _ in sizes] == [1 + n // 160 for n in (8000, 8000, 9600, 11200, 8000, 9600)]
    assert {height for _, height in sizes} == {40}


def test_spectrograms_share_one_scale_and_low_bands_lie_below(page):
    levels = [np.asarray(image) for image in spectrograms(page)]
    assert min(level.min() for level in levels) == 0
    assert max(level.max() for level in levels) == 255
    # Only the loudest of all reaches the top: each spectrogram is not stretched by itself.
    assert sum(level.max() == 255 for level in levels) < len(levels)
    # 110 Hz lies in the lowest of the bands.
    assert levels[1].mean(axis=1).argmax() >= 36


def test_the_figures_are_those_of_metrics_json(reported, page):
    shown = {data["id"]: data["value"] for data in page.all("data")}
    metrics = json.loads((reported / "metrics.json").read_text())
    flat = {**metrics, **{f"parallel_{name}": value for name, value in metrics["parallel"].items()}}
    assert {name: flat[name] for name in shown} == {name: float(value) for name, value in shown.items()}
    assert {"mse_db2", "perplexity", "active_codes", "bitrate", "abx_across", "abx_within"} <= shown.keys()
    assert {"hours", "parallel_pairs"} <= shown.keys()


def test_figures_have_values_to_compare_with(page):
    text = " ".join(page.text("table", **{"class": "figures"}).split())
    for words in ("20.0 % of the feature variance", "of 8", "MFCC features: 19.6 %", "8.8 from the source"):
        assert words in text


def test_commands_configuration_and_units_are_shown_unchanged(reported, page):
    assert "sqspeech features data dump\nsqspeech train dump 'exp/<b>' && true" in page.text("section", id="commands")
    assert "not a command" not in page.text("section", id="commands")
    assert "# <small>" in page.text("section", id="configuration")
    lines = page.text("section", id="units").strip().splitlines()[-3:]
    assert [line.split()[:3] for line in lines] == [[f"a-{n}", "0", "1"] for n in range(3)]
    assert all(line.endswith(" …") and len(line) < 250 for line in lines)
    assert page.text("h1") == reported.name


def test_the_page_loads_nothing_from_outside(page):
    for tag, attributes in page.elements:
        assert tag not in {"iframe", "object"}
        for name in ("src", "srcset", "href", "poster"):
            assert attributes.get(name, "data:").startswith(("data:", "#"))
    assert not re.search(r"url\(|@import", page.text("style"))


def test_the_same_experiment_in_another_place_gives_the_same_page(another, reported):
    write_report(another, another / "report.html")
    assert (another / "report.html").read_bytes() == (reported / "report.html").read_bytes()


def test_the_last_line_for_a_step_wins_and_incomplete_lines_are_left_out(experiment):
    log = experiment / "metrics.jsonl"
    log.write_text(log.read_text() + '{"step": 200, "mse_db2": 7.0}\n{"step": 300, "mse_')
    read = read_experiment(experiment)
    assert read.curves["mse_db2"] == {0: 900.0, 100: 800.0, 200: 7.0}
    assert read.curves["dev_mse_db2"] == {200: 555.0}
    page = report(experiment)
    assert "left out: 1" in page.text("section", id="curves")
    assert any("train: 900 at step 0, 7 at step 200; dev: 555" in image["alt"] for image in page.all("img"))


def test_curves_come_for_a_light_and_a_dark_page(page):
    for light, dark in zip(
        [image["src"] for image in page.all("img") if "over training steps" in image["alt"]],
        [source["srcset"] for source in page.all("source")][1:5],
        strict=True,
    ):
        assert decode(light, "image/svg+xml").startswith(b"<?xml")
        assert decode(light, "image/svg+xml") != decode(dark, "image/svg+xml")


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -1.0])
def test_the_curve_of_a_diverged_run_can_be_drawn(value):
    picture = panel_picture(PANELS[0], {"mse_db2": dict.fromkeys(range(3), value)})
    assert b"</svg>" in decode(picture.light, "image/svg+xml")


def test_curves_of_any_task_are_drawn(experiment):
    lines = [{"step": step, "hinge": 1.5, "dev_hinge": 2.5, "gradient_norm": 3.0} for step in (0, 100)]
    (experiment / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    curves = report(experiment).text("section", id="curves").split()
    assert curves[-1] == "hinge"
    (panel,) = panels(read_experiment(experiment).curves)
    assert panel.series == {"hinge": "train", "dev_hinge": "dev"}


def test_known_curves_have_one_panel_each():
    names = {name for panel in PANELS for name in panel.series}
    assert panels({name: {0: 1.0} for name in names}) == list(PANELS)
    assert panels({"mse_db2": {0: 1.0}}) == [PANELS[0]]


@pytest.mark.parametrize("stages", [2, 8])
def test_usage_of_several_stages_has_a_curve_for_each(stages):
    usage = np.random.default_rng(0).integers(0, 9, (stages, 32)).tolist()
    svg = decode(usage_picture(usage).light, "image/svg+xml").decode()
    assert all(f"stage {number + 1}" in svg for number in range(stages))
    assert "stage" not in decode(usage_picture(usage[0]).light, "image/svg+xml").decode()


def test_an_absent_part_names_the_stage_that_makes_it(experiment, page):
    stages = {
        "figures": "stage 6",
        "usage": "stage 6",
        "listening": "stage 5",
        "units": "stage 4",
        "configuration": "stage 3",
        "commands": "run.sh",
    }
    for part in experiment.iterdir():
        if part.name != "metrics.jsonl":
            shutil.rmtree(part) if part.is_dir() else part.unlink()
    bare = report(experiment)
    for section, stage in stages.items():
        assert stage in bare.text("section", id=section)
        assert stage not in page.text("section", id=section)


def manifest(folder: Path, pairs: list[tuple[str, str]], seconds: float) -> Path:
    """Write a manifest of utterances, each named by its speaker and a number, and their targets."""
    noise(folder / "long.wav", seconds)
    noise(folder / "short.wav", 0.2)
    rows = ["utt_id\tspeaker\tsource\tstart\tend\ttarget\toutput"]
    rows += [f"{name}\t{name[0]}\t{folder / 'long.wav'}\t0.5\t\t{target}\tshort.wav" for name, target in pairs]
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return folder / "manifest.tsv"


def test_the_table_is_spread_over_recordings_and_target_speakers(tmp_path):
    names = [f"{speaker}-{number}" for speaker in "abcdefghijklmnopqrst" for number in range(3)]
    pairs = [(name, target) for name in names for target in ("source", *"tsrqponmlkjihgfedcba")]
    listening = read_listening(manifest(tmp_path, pairs, LONGEST + 1), LogMelConfig())
    assert [row.utt_id for row in listening.rows] == ["a-0", "e-0", "i-0", "l-2", "p-2", "t-2"]
    assert [row.source.speaker for row in listening.rows] == list("aeilpt")
    assert len(listening.targets) == MOST_TARGETS
    assert listening.targets[0] == "t"
    assert listening.targets[-1] == "a"
    for row in listening.rows:
        assert [cell.speaker for cell in row.conversions] == listening.targets
    assert (listening.n_utterances, listening.n_targets) == (60, 20)


def test_recordings_are_cut_so_that_a_page_stays_small(tmp_path):
    pairs = [(f"{speaker}-0", target) for speaker in "abcdefgh" for target in "abcdefghijklmno"]
    listening = read_listening(manifest(tmp_path, pairs, LONGEST + 1), LogMelConfig())
    cells = len(listening.rows) * (len(listening.targets) + 2)
    assert cells == MOST_SOURCES * (MOST_TARGETS + 2)
    assert listening.rows[0].source.seconds == pytest.approx(MOST_SAMPLES / 16000 / cells, abs=1e-4)
    # A few may be longer, up to a limit.
    few = read_listening(manifest(tmp_path, pairs[:3], LONGEST + 1), LogMelConfig())
    assert few.rows[0].source.seconds == LONGEST


def test_every_row_has_the_same_columns_with_any_list_of_conversions(experiment):
    pairs = [("a-1", "source"), ("a-1", "x"), ("b-1", "y"), ("c-1", "x"), ("c-1", "z")]
    manifest(experiment / "conversion", pairs, 1.0)
    page = report(experiment)
    labels = [player["aria-label"].split(", ") for player in page.all("audio")]
    assert [" ".join((name, role, *speaker.split()[1:])) for name, role, speaker in labels] == [
        "a-1 source a", "a-1 reconstruction a", "a-1 conversion x",
        "b-1 source b", "b-1 conversion y",
        "c-1 source c", "c-1 conversion x", "c-1 conversion z",
    ]  # fmt: skip
    assert page.text("table", **{"class": "listening"}).count("not converted") == 3 * 5 - len(labels)


def test_the_page_states_what_it_leaves_out(experiment, page):
    assert "Shown are" not in page.text("section", id="listening")
    names = [f"{letter}-0" for letter in "abcdefghi"]
    manifest(experiment / "conversion", [(name, "x") for name in names], 1.0)
    words = report(experiment).text("section", id="listening").split()
    assert "Shown are 6 of 9 recordings with 1 of 1 target speakers" in " ".join(words)


def _no_log(exp):
    (exp / "metrics.jsonl").unlink()


def _empty_log(exp):
    (exp / "metrics.jsonl").write_text('{"step": 1, "lo')


def _bad_metrics(exp):
    (exp / "metrics.json").write_text('{"mse_db2": ')


def _bad_header(exp):
    (exp / "conversion/manifest.tsv").write_text("utt_id\tsource\nx\ty\n")


def _outside(output):
    def damage(exp):
        manifest = exp / "conversion/manifest.tsv"
        manifest.write_text(manifest.read_text().replace("a-1/b.wav", output))
        noise(exp / "b.wav", 0.5)

    return damage


def _lost_wav(exp):
    (exp / "conversion/a-1/b.wav").unlink()


def _short_wav(exp):
    noise(exp / "conversion/a-1/b.wav", 0.01)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_no_log, "sqspeech train"),
        (_empty_log, "sqspeech train"),
        (_bad_metrics, "metrics.json:1"),
        (_bad_header, "manifest.tsv:2"),
        (_outside("../b.wav"), "'../b.wav' is not in the folder of the manifest"),
        (_outside("a-1/../../b.wav"), "is not in the folder of the manifest"),
        (_outside("/etc/hostname"), "'/etc/hostname' is not in the folder of the manifest"),
        (_lost_wav, "b.wav"),
        (_short_wav, "b.wav"),
    ],
)
def test_damage_is_one_line_that_names_the_file(experiment, damage, words):
    damage(experiment)
    with pytest.raises(DataError) as error:
        write_report(experiment, experiment / "report.html")
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not (experiment / "report.html").exists()


@pytest.mark.parametrize(
    "text", ["features: {n_mel: 40}", "features: {n_mels: few}", "features: [", "- 1", "features: 3"]
)
def test_a_bad_configuration_is_one_line(experiment, text):
    (experiment / "config.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        write_report(experiment, experiment / "report.html")
    assert "config.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_and_an_empty_experiment(tmp_path):
    for exp in (tmp_path / "missing", tmp_path):
        with pytest.raises(DataError, match="sqspeech train"):
            write_report(exp, tmp_path / "report.html")


def test_the_output_folder_cannot_be_written(experiment):
    (experiment / "file").write_text("")
    with pytest.raises(SqspeechError, match="cannot write"):
        write_report(experiment, experiment / "file" / "report.html")


def test_the_configuration_of_another_task_is_shown(experiment):
    text = "task: mine\nfeatures: {n_mels: 40}\nmine: {anything: 1}\n"
    (experiment / "config.yaml").write_text(text)
    assert read_experiment(experiment).features == LogMelConfig(n_mels=40)
    assert "anything: 1" in report(experiment).text("section", id="configuration")


def test_a_configuration_without_features_means_the_default_ones(experiment):
    (experiment / "config.yaml").write_text("encoder: {}\n")
    assert read_experiment(experiment).features == LogMelConfig()
