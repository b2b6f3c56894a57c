"""Models from the Hugging Face Hub and to it, with a server that speaks its protocol."""

import socket

import numpy as np
import pytest
from commands import run
from hub_server import Hub

from sqspeech import Codec, push
from sqspeech.errors import CheckpointError, HubError, SqspeechError
from sqspeech.hub import download


@pytest.fixture
def published(hub: Hub, experiment) -> Hub:
    """The hub with a model in `me/speech`."""
    hub.add("me/speech", {"model.ckpt": experiment.checkpoint.read_bytes(), "other.ckpt": b"no checkpoint"})
    return hub


def codes(codec: Codec, experiment) -> np.ndarray:
    return codec.encode(experiment.root / "corpus/test/f1-04.wav").codes


def test_a_pushed_model_gives_the_same_units(hub, experiment):
    address = push(experiment.checkpoint, "me/speech")
    assert address == f"{hub.url}/me/speech/commit/{hub.repositories['me/speech'].branches['main']}"
    assert hub.repositories["me/speech"].files["model.ckpt"] == experiment.checkpoint.read_bytes()
    pushed, own = Codec.from_pretrained("me/speech"), Codec.load(experiment.checkpoint)
    assert pushed.trained.digest == own.trained.digest
    np.testing.assert_array_equal(codes(pushed, experiment), codes(own, experiment))


def test_a_revision_and_a_file_are_chosen(hub, experiment):
    repository = hub.add("me/speech", {"small.ckpt": experiment.checkpoint.read_bytes()})
    earlier = repository.branches["main"]
    repository.commit({"small.ckpt": b"something else"})
    assert Codec.from_pretrained("me/speech", earlier, "small.ckpt").speakers == ["f1", "f2", "m1", "m2"]
    assert run("speakers", f"hf://me/speech@{earlier}/small.ckpt").split() == ["f1", "f2", "m1", "m2"]
    with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
        Codec.from_pretrained("me/speech", filename="small.ckpt")


def test_a_download_that_breaks_off_is_continued(published, experiment, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    published.cut = 5000
    assert download("me/speech").read_bytes() == experiment.checkpoint.read_bytes()
    assert [request for request in published.requests if "bytes=5000-" in request]


def test_the_cache_is_used_and_is_enough_without_a_network(published, experiment, monkeypatch):
    first = download("me/speech")
    fetched = [request for request in published.requests if request.startswith("GET")]
    assert download("me/speech") == first
    assert [request for request in published.requests if request.startswith("GET")] == fetched
    published.requests.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert download("me/speech") == first
    assert published.requests == []
    with pytest.raises(HubError, match="me/other: .* not in the cache, and HF_HUB_OFFLINE forbids to fetch it"):
        download("me/other")


def test_another_content_is_refused_and_fetched_again(published, experiment):
    published.tampered = b"PK\3\4 and so on"
    for _ in range(2):
        with pytest.raises(HubError, match=r"model.ckpt: damaged on its way or in the cache, and removed from it"):
            Codec.from_pretrained("me/speech")
    published.tampered = b""
    assert download("me/speech").read_bytes() == experiment.checkpoint.read_bytes()


def test_a_cache_that_was_changed_is_refused(published):
    download("me/speech").resolve().write_bytes(b"something else")
    with pytest.raises(HubError, match="damaged on its way or in the cache"):
        download("me/speech")
    assert Codec.from_pretrained("me/speech").speakers


def test_what_is_not_there_is_said_in_one_line(published, monkeypatch):
    published.add("other/gated", {}, gated=True)
    published.add("me/secret", {}, private=True)
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
    for arguments, reason in (
        (("me/nothing",), "no such repository, or a private one; check its name, or log in with `hf auth login`"),
        (("me/secret",), "no such repository, or a private one"),
        (("other/gated",), "whoever wants it must ask on its page on the Hub"),
        (("me/speech", "v2"), "model.ckpt of v2: no such branch, tag or commit"),
        (("me/speech", None, "none.ckpt"), "none.ckpt of main: no such file; name one that is there"),
        (("no name/at all/",), "no name of a repository; give USER/NAME"),
    ):
        with pytest.raises(HubError) as error:
            Codec.from_pretrained(*arguments)
        assert str(error.value).startswith(f"{arguments[0]}: ")
        assert reason in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
        Codec.from_pretrained("me/speech", filename="other.ckpt")


def test_a_hub_that_cannot_be_reached_is_one_line(hub, experiment, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", nobody)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", nobody + "/{repo_id}/resolve/{revision}/{filename}"
    )
    for attempt in (lambda: download("me/speech"), lambda: push(experiment.checkpoint, "me/speech")):
        with pytest.raises(HubError, match=r"me/speech.*: no usable answer of the Hub \(.*refused.*\); check"):
            attempt()


def test_a_cache_that_cannot_be_written_is_one_line(published, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("in the way")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SqspeechError, match=r"cache.*: cannot write \(.*\); something else is in the way"):
        download("me/speech")


@pytest.mark.parametrize(
    ("token", "repo_id", "reason"),
    [
        ("", "me/speech", r"me/speech: not allowed \(401\); log in with `hf auth login`, or set HF_TOKEN"),
        ("hf_write", "other/speech", r"other/speech: not allowed \(403\)"),
    ],
)
def test_a_push_that_is_not_allowed_leaves_nothing(hub, experiment, monkeypatch, token, repo_id, reason):
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere")
    with pytest.raises(HubError, match=reason):
        push(experiment.checkpoint, repo_id)
    assert hub.repositories == {}


def test_what_is_to_be_private_is_never_made_public(hub, experiment):
    push(experiment.checkpoint, "me/secret", private=True)
    assert hub.repositories["me/secret"].private
    hub.add("me/speech", {})
    with pytest.raises(HubError, match="me/speech: is there already, and public"):
        push(experiment.checkpoint, "me/speech", private=True)
    assert "model.ckpt" not in hub.repositories["me/speech"].files


def test_only_a_codec_is_pushed(hub, tmp_path):
    (tmp_path / "x.ckpt").write_text("words")
    with pytest.raises(CheckpointError, match="x.ckpt: damaged or no checkpoint"):
        push(tmp_path / "x.ckpt", "me/speech")
    assert hub.requests == []


def test_a_command_writes_a_card_where_there_is_none(hub, experiment, tmp_path):
    said = run("push", experiment.checkpoint, "me/speech")
    first = hub.repositories["me/speech"].files["README.md"].decode()
    assert f"{hub.url}/me/speech/commit/{hub.repositories['me/speech'].branches['main']}: " in said
    assert said.rstrip().endswith(f": {experiment.checkpoint} as model.ckpt and its card")
    assert 'from_pretrained("me/speech")' in first
    hub.repositories["me/speech"].commit({"README.md": b"mine"})
    assert run("push", experiment.checkpoint, "me/speech").rstrip().endswith(" as model.ckpt")
    assert hub.repositories["me/speech"].files["README.md"] == b"mine"
    (tmp_path / "card.md").write_text(first)
    run("push", experiment.checkpoint, "me/speech", "--card", tmp_path / "card.md")
    assert hub.repositories["me/speech"].files["README.md"].decode() == first


def test_a_wrong_address_is_one_line():
    with pytest.raises(SqspeechError, match="hf://speech: no address of a model; give hf://USER/NAME"):
        run("speakers", "hf://speech")
