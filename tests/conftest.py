"""Shapes in the public signatures are checked while tests run, and torch uses one thread per process."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

TENSOR_MODULES = (
    "features chunked_log_mel pitch quantizers models vocoders data.crops checkpoint units.extractor "
    "units.stream conversion evaluation.conversion.parallel_text evaluation.speech.stages priors"
)
install_import_hook([f"sqspeech.{name}" for name in TENSOR_MODULES.split()], "beartype.beartype")
torch.set_num_threads(1)
# Commands that are told no device; those tests that want a GPU name it.
os.environ["SQSPEECH_DEVICE"] = "cpu"
# A busy machine is no fault.
settings.register_profile("any speed", deadline=None)
settings.load_profile("any speed")
# A shell's background jobs ignore Ctrl-C, and so would the commands that the tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# After the hook, which must stand before the first import of what it checks.
import processes  # noqa: E402
from hub_server import TOKEN, Hub, serving  # noqa: E402
from trained import Experiment, train_small  # noqa: E402

from sqspeech.vocoders.griffin_lim import GriffinLim  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no GPU"))


@pytest.fixture(scope="session", autouse=True)
def _process_server() -> None:
    processes.serve()


SPEECH = Path(__file__).resolve().parents[1] / "../shared/speech"


@pytest.fixture(scope="session")
def speech() -> Path:
    """Folder of real recordings; the test is skipped where there is none."""
    if not SPEECH.is_dir():
        pytest.skip("no real recordings beside the repository")
    return SPEECH


@pytest.fixture(scope="session")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A trained model with its corpus; not to be changed."""
    return train_small(tmp_path_factory.mktemp("experiment"))


@pytest.fixture(scope="module")
def short_griffin_lim() -> Iterator[None]:
    """Griffin-Lim of four iterations where no number is given: for tests that hear nothing."""
    whole = GriffinLim.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GriffinLim, "__init__", lambda self, config, iterations=4: whole(self, config, iterations))
        yield


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty server in the place of the Hugging Face Hub, for somebody who is logged in, with an empty cache."""
    constants = pytest.importorskip("huggingface_hub.constants")
    with serving() as server:
        for name, value in {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "hub-cache"),
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_OFFLINE": False,
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server
