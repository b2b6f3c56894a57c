"""The Hugging Face Hub: the checkpoint of a repository, and a checkpoint put into one (extra `hub`)."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqspeech import __version__
from sqspeech.errors import REMEDIES, HubError, SqspeechError, cannot_write
from sqspeech.extras import missing_extra_named

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CHECKPOINT, CARD = "model.ckpt", "README.md"
# As huggingface_hub writes addresses of files.
SCHEME = "hf://"
ADDRESS = re.compile(r"hf://([^/@]+/[^/@]+)(?:@([^/]+))?(?:/(.+))?")
SHA256 = re.compile("[0-9a-f]{64}")
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


def find_checkpoint(text: str) -> Path:
    """Return the path of a checkpoint: `text` itself, or the downloaded file of `hf://USER/NAME[@REVISION][/FILE]`."""
    if not text.startswith(SCHEME):
        return Path(text)
    address = ADDRESS.fullmatch(text)
    if address is None:
        raise HubError(f"{text}: no address of a model; give {SCHEME}USER/NAME[@REVISION][/FILE]")
    repo_id, revision, filename = address.groups()
    return download(repo_id, revision, filename or CHECKPOINT)


def download(repo_id: str, revision: str | None = None, filename: str = CHECKPOINT) -> Path:
    """Return the path of a file of a repository, which is downloaded where the cache does not have it.

    A connection that breaks is taken up again, and the content is compared with its SHA-256, which names the file in
    the cache.

    Raises
    ------
    HubError
        There is no such repository, revision or file, it is not for you, the Hub cannot be reached, or the content is
        not that of the repository.
    """
    with _in_one_line(f"{repo_id}: {filename} of {revision or 'main'}"):
        path = Path(_api().hf_hub_download(repo_id, filename, revision=revision))
        _check_content(path)
    return path


def push(checkpoint: Path | str, repo_id: str, *, card: str | None = None, private: bool = False) -> str:
    """Put a checkpoint into a repository of the Hub, as `model.ckpt`, and return the address of the commit.

    Parameters
    ----------
    checkpoint
        Of a codec.
    repo_id
        USER/NAME; it is made where there is none.
    card
        The text of its README.md (see `model_card`); where None, a README.md that is there stays.
    private
        Only for you.

    Raises
    ------
    CheckpointError
        The file is no checkpoint of a codec; see `read_checkpoint`.
    HubError
        You are not logged in, may not write there, or the Hub cannot be reached; or `private`, and the repository is
        public.
    """
    import torch

    from sqspeech.checkpoint import check_is_codec, read_checkpoint

    path = Path(checkpoint)
    content = read_checkpoint(path, torch.device("cpu"))
    check_is_codec(content, path)
    with _in_one_line(repo_id):
        from huggingface_hub import CommitOperationAdd

        api = _api()
        api.create_repo(repo_id, private=private or None, exist_ok=True)
        if private and not api.model_info(repo_id).private:
            raise HubError(f"{repo_id}: is there already, and public; make it private on its page, or choose another")
        files = [CommitOperationAdd(CHECKPOINT, path)]
        if card is not None:
            files.append(CommitOperationAdd(CARD, card.encode()))
        return api.create_commit(repo_id, files, commit_message=f"Checkpoint {content['digest']}").commit_url


def has_card(repo_id: str) -> bool:
    """Return whether there is a repository with a README.md; raises HubError as `download` does."""
    with _in_one_line(repo_id):
        return bool(_api().file_exists(repo_id, CARD))


def _api() -> "HfApi":
    from huggingface_hub import HfApi

    return HfApi(library_name="sqspeech", library_version=__version__)


def _check_content(path: Path) -> None:
    """Compare a large file of the cache with its name there; huggingface_hub compares the sizes alone."""
    wanted = path.readlink().name if path.is_symlink() else ""
    if not SHA256.fullmatch(wanted):
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        path.resolve().unlink()
        raise HubError(f"{path}: damaged on its way or in the cache, and removed from it; try again")


@contextmanager
def _in_one_line(what: str) -> Iterator[None]:
    """Turn the errors of huggingface_hub into one line; those of its HTTP library are no part of its interface."""
    try:
        with missing_extra_named("hub"):
            yield
    except SqspeechError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in REMEDIES:
            raise cannot_write(error.filename or what, error) from None
        # An upload's error is the cause of what it raises.
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        raise HubError(f"{what}: {_reason(cause)}") from None


def _reason(error: BaseException) -> str:
    from huggingface_hub import errors

    offline = "not in the cache, and HF_HUB_OFFLINE forbids to fetch it; unset it"
    # A class comes before those that it is derived from.
    reasons: tuple[tuple[type[BaseException], str], ...] = (
        (errors.HFValidationError, "no name of a repository; give USER/NAME"),
        (errors.GatedRepoError, f"whoever wants it must ask on its page on the Hub; ask there, and {LOG_IN}"),
        (errors.RepositoryNotFoundError, f"no such repository, or a private one; check its name, or {LOG_IN}"),
        (errors.RevisionNotFoundError, "no such branch, tag or commit; see those on its page on the Hub"),
        (errors.OfflineModeIsEnabled, offline),
        (errors.LocalEntryNotFoundError, offline if isinstance(error.__cause__, errors.OfflineModeIsEnabled) else ""),
        (
            errors.EntryNotFoundError,
            "no such file; name one that is there, as hf://USER/NAME/FILE or filename=FILE",
        ),
    )
    found = next((reason for kind, reason in reasons if isinstance(error, kind)), "")
    if found:
        return found
    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else 0
    if status in (401, 403):
        return f"not allowed ({status}); {LOG_IN}, of a token that may do this"
    return f"no usable answer of the Hub ({_first(error)}); check the connection, and try again"


def _first(error: BaseException) -> str:
    """Return the innermost cause, on one line."""
    while error.__cause__:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__
