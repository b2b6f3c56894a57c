"""The page as it answers: the same as the command line, to each visitor their own, and nothing to strangers."""

import http.client
import os
import signal
import socket
import struct
import zlib
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
import soundfile
import torch
from page_visitor import LIMIT, Page, Visitor
from typer.testing import CliRunner

from sqspeech import cli, units
from sqspeech.checkpoint import read_checkpoint
from sqspeech.data.data_dir import DataDir, Utterance
from sqspeech.features import LogMel, LogMelConfig


def command(*arguments: object) -> str:
    outcome = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


@pytest.fixture
def visitor(page: Page) -> Visitor:
    return Visitor(page.url)


def test_conversions_are_those_of_the_command_line_byte_for_byte(page, visitor, tmp_path):
    targets = ["f1", "f1:0.25,m1:0.75"]
    job = visitor.convert(page.files.talk, to=targets, pitch="+4", speaker="m1")
    (of_model,) = visitor.result(job)["models"]
    data, output = tmp_path / "data", tmp_path / "output"
    DataDir((Utterance(utt_id="m1-talk", spk_id="m1", path=page.files.talk),)).write(data)
    to = [option for target in ["source", *targets] for option in ("--to", target)]
    command("convert", page.files.a, data, *to, "--pitch", "+4", "-o", output)
    roles = [(speech["role"], speech["speaker"]) for speech in of_model["speech"]]
    assert roles == [("reconstruction", "m1"), *(("conversion", target) for target in targets)]
    expected = sorted(path.read_bytes() for path in output.glob("*.wav"))
    assert sorted(visitor.file(job, speech["file"]) for speech in of_model["speech"]) == expected
    assert len(set(expected)) == 3


def test_units_are_those_of_the_command_line(page, visitor, tmp_path):
    job = visitor.convert(page.files.talk)
    about = visitor.result(job)["models"][0]["units"]
    command("units", page.files.a, page.files.talk, "-o", tmp_path)
    found = units.read(tmp_path)
    header, *lines = visitor.file(job, about["table"]).decode().splitlines()
    rows = np.array([line.split(",") for line in lines], float)
    assert header == "unit,start,end,code"
    assert rows[:, 3].tolist() == found["talk"].codes.tolist()
    np.testing.assert_allclose(rows[:, 1:3].mean(1), found["talk"].times(), atol=1e-4)
    runs = visitor.http.get(f"{page.url}jobs/{job}/files/{about['runs']}", timeout=60).json()
    assert np.repeat([code for (code,) in runs["codes"]], runs["lengths"]).tolist() == found["talk"].codes.tolist()


def test_pictures_are_of_the_log_mel(page, visitor):
    job = visitor.convert(page.files.talk)
    of_model = visitor.result(job)["models"][0]
    picture = visitor.file(job, of_model["picture"])
    width, height = struct.unpack(">II", picture[16:24])
    start = picture.index(b"IDAT")
    size = int.from_bytes(picture[start - 4 : start])
    rows = np.frombuffer(zlib.decompress(picture[start + 4 : start + 4 + size]), np.uint8).reshape(height, 1 + width)
    mel = LogMel(LogMelConfig())(torch.from_numpy(soundfile.read(page.files.talk, dtype="float32")[0]))
    assert rows.shape == (mel.shape[1], 1 + len(mel))
    np.testing.assert_allclose(rows[::-1, 1:].T / 255, mel.clamp(0, 1), atol=1 / 255)
    outline = np.abs(soundfile.read(page.files.talk, dtype="float32")[0]).reshape(-1, 160).max(1)
    np.testing.assert_allclose(of_model["outline"], np.floor(1000 * outline), atol=1)


def test_models_stand_side_by_side_and_one_that_lacks_the_voice_says_so(page, visitor):
    job = visitor.convert(page.files.talk, models=["a", "b"], to=["m1"])
    both = visitor.result(job)["models"]
    assert [of_model["sentence"] for of_model in both] == ["", ""]
    assert len({visitor.file(job, of_model["speech"][0]["file"]) for of_model in both}) == 2
    of_a, of_b = visitor.result(visitor.convert(page.files.talk, models=["a", "b"]))["models"]
    assert of_a["speech"]
    assert "no speaker f1" in of_b["sentence"]
    assert "speech" not in of_b
    failed = visitor.wait(visitor.convert(page.files.talk, to=["nobody"]))
    assert failed["state"] == "failed"
    assert failed["sentence"].startswith("the model has no speaker nobody")


def test_a_new_voice_changes_nothing_else_and_can_be_used_by_its_visitor_alone(page, visitor, tmp_path):
    job = visitor.order(kind="enroll", recordings=[visitor.upload(page.files.talk)], model="a", name="me")
    result = visitor.result(job)
    (tmp_path / "me.ckpt").write_bytes(visitor.file(job, result["file"]))
    found, before = (read_checkpoint(path, torch.device("cpu")) for path in (tmp_path / "me.ckpt", page.files.a))
    assert found["speakers"] == ["f1", "m1", "me"]
    table = found["model"].pop("decoder.speakers.weight")
    assert torch.equal(table[:2], before["model"].pop("decoder.speakers.weight"))
    assert not torch.equal(table[2], table[1])
    assert all(torch.equal(found["model"][name], tensor) for name, tensor in before["model"].items())
    assert [model["name"] for model in visitor.state()["models"]] == ["a", "b", "a + me"]
    assert [model["name"] for model in Visitor(page.url).state()["models"]] == ["a", "b"]
    assert visitor.result(visitor.convert(page.files.talk, models=[job], to=["me"]))["models"][0]["speech"]


def test_samples_are_those_of_the_command_line(page, visitor, tmp_path):
    given = {"kind": "generate", "prior": page.files.prior.parent.name, "model": "a", "to": "f1", "seconds": 0.5}
    job = visitor.order(**given, count=2, seed=3)
    speech = visitor.result(job)["speech"]
    options = ["--to", "f1", "--seconds", "0.5", "--count", "2", "--seed", "3"]
    command("generate", page.files.prior, page.files.a, "-o", tmp_path, *options)
    expected = [path.read_bytes() for path in sorted(tmp_path.glob("*.wav"))]
    assert [visitor.file(job, one["file"]) for one in speech] == expected
    assert len(set(expected)) == 2


def test_two_visitors_have_each_their_own(page, visitor):
    job = visitor.convert(page.files.talk)
    result = visitor.result(job)
    other = Visitor(page.url)
    recording = result["of"]
    assert other.state()["jobs"] == other.state()["recordings"] == []
    for address in (f"recordings/{recording}", f"jobs/{job}", f"jobs/{job}/files/{result['models'][0]['picture']}"):
        assert visitor.http.get(page.url + address, timeout=60).ok
        assert other.http.get(page.url + address, timeout=60).status_code == 400
    assert other.http.post(f"{page.url}jobs/{job}/stop", timeout=60).status_code == 400
    assert other.http.delete(f"{page.url}recordings/{recording}", timeout=60).status_code == 400
    foreign = {"kind": "convert", "recording": recording, "models": ["a"], "to": ["f1"]}
    assert other.http.post(f"{page.url}jobs", json=foreign, timeout=60).status_code == 400
    assert visitor.job(job)["state"] == "done"


def test_a_stopped_order_ends_at_once_and_the_next_one_is_done(page, visitor):
    job = visitor.convert(page.files.long)
    waiting = visitor.convert(page.files.talk)
    visitor.wait(job, "running")
    assert visitor.job(waiting)["ahead"] == 1
    visitor.http.post(f"{page.url}jobs/{job}/stop", timeout=60)
    assert visitor.wait(job, seconds=10)["state"] == "stopped"
    assert visitor.result(waiting)
    folder = page.storage / visitor.http.cookies["sqspeech"] / "jobs" / job
    assert [path.name for path in folder.iterdir()] == ["job.json"]
    visitor.http.delete(f"{page.url}jobs/{waiting}", timeout=60)
    assert [found["id"] for found in visitor.state()["jobs"]] == [job]
    assert not (folder.parent / waiting).exists()


def test_a_worker_that_dies_is_one_sentence_and_replaced(page, visitor):
    job = visitor.convert(page.files.long)
    visitor.wait(job, "running")
    os.kill(max(_descendants(page.pid)), signal.SIGKILL)
    assert "died" in visitor.wait(job)["sentence"]
    assert visitor.result(visitor.convert(page.files.talk))


def _descendants(pid: int) -> list[int]:
    own = [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]
    return own + [each for child in own for each in _descendants(child)]


@pytest.mark.parametrize("name", ["text.wav", "../../text.wav", "/etc/text", ".hidden", "a\nb.wav"])
def test_what_is_no_audio_is_one_sentence_without_a_path(page, visitor, name):
    answer = visitor.http.post(f"{page.url}recordings", params={"name": name}, data=b"no audio " * 99, timeout=60)
    assert answer.status_code == 400
    sentence = answer.json()["sentence"]
    assert "no audio file" in sentence
    assert "/" not in sentence.replace("%2F", "")
    assert "\n" not in sentence
    assert visitor.state()["recordings"] == []


def test_an_upload_over_the_limit_is_refused_whether_it_tells_its_size_or_not(page, visitor):
    data = page.files.talk.read_bytes() + bytes(round(LIMIT * 1e6))
    chunks = (data[start : start + 2**20] for start in range(0, len(data), 2**20))
    for body in (data, chunks):
        try:
            answer = visitor.http.post(f"{page.url}recordings?name=x.wav", data=body, timeout=60)
        except requests.ConnectionError:
            continue  # ended while it was being sent
        assert answer.status_code == 400
        assert "more than 8 MB" in answer.json()["sentence"]
    assert not list((page.storage / visitor.http.cookies.get("sqspeech", "-")).glob("recordings/*"))


@pytest.mark.parametrize(
    "order",
    [
        b"not json",
        b'{"kind": "other"}',
        b'{"kind": "convert", "recording": "x", "models": [], "to": ["f1"]}',
        b'{"kind": "convert", "recording": "../../x", "models": ["a"], "to": ["f1"]}',
        b'{"kind": "enroll", "recordings": ["/etc/passwd"], "model": "a", "name": "x"}',
        b'{"kind": "generate", "prior": "a", "model": "a", "to": "f1", "seconds": 1e9}',
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused(page, visitor, order):
    answer = visitor.http.post(f"{page.url}jobs", data=order, timeout=60)
    assert answer.status_code == 400
    assert set(answer.json()) == {"sentence"}
    assert visitor.state()["jobs"] == []


def test_no_file_but_those_of_the_results_can_be_read(page, visitor):
    job = visitor.convert(page.files.talk)
    visitor.result(job)
    base = f"/jobs/{job}/files/"
    up = "../" * 12
    names = ["job.json", "0/manifest.tsv", f"{up}etc/passwd", f"{up}{page.files.a}", "/etc/passwd", "%2e%2e%2fjob.json",
             "0/../job.json", str(page.files.a)]  # fmt: skip
    paths = [base + name for name in names] + ["/../app.py", "/%2e%2e/app.py", "/page/../../app.py", "//etc/passwd",
                                               f"/recordings/../../{job}", "/recordings/%2e%2e"]  # fmt: skip
    for path in paths:
        status, content = raw("GET", page.url, path, visitor)
        assert status in (400, 404), path
        assert b"root:" not in content
        assert str(page.storage).encode() not in content
    assert raw("GET", page.url, f"{base}0/units.csv", visitor)[0] == 200


def test_other_names_and_other_pages_are_refused(page, visitor):
    visitor.state()
    assert raw("GET", page.url, "/state", visitor, Host="evil.example")[0] == 400
    for name in ("localhost", "127.0.0.1"):
        assert raw("GET", page.url, "/state", visitor, Host=f"{name}:{urlsplit(page.url).port}")[0] == 200
    assert raw("POST", page.url, "/jobs", visitor, **{"Sec-Fetch-Site": "cross-site"})[0] == 403


def raw(method: str, url: str, path: str, visitor: Visitor, **headers: str) -> tuple[int, bytes]:
    """Send a path as it is."""
    cookie = {"Cookie": f"sqspeech={visitor.http.cookies['sqspeech']}"}
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
        connection.request(method, path, headers=cookie | headers)
        response = connection.getresponse()
        return response.status, response.read()


def test_only_this_machine_is_let_in(page):
    port = urlsplit(page.url).port
    assert page.url == f"http://127.0.0.1:{port}/"
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with own, pytest.raises(ConnectionRefusedError):
        own.connect(("127.0.0.2", port))


def test_a_port_that_is_taken_and_a_file_that_is_no_model_are_one_line(page, tmp_path):
    port = urlsplit(page.url).port
    arguments = ["serve", page.files.a, "-o", tmp_path, "--port", port]
    outcome = CliRunner().invoke(cli.app, list(map(str, arguments)))
    assert str(outcome.exception).startswith(f"127.0.0.1:{port}: cannot be bound (Address already in use)")
    outcome = CliRunner().invoke(cli.app, list(map(str, ["serve", page.files.talk, "-o", tmp_path, "--port", 0])))
    assert str(outcome.exception).startswith(f"{page.files.talk}: damaged or no checkpoint")
