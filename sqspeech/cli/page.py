"""The page."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sqspeech.cli.options import Device, find_device
from sqspeech.hub import find_checkpoint

# The user's cache, by the XDG Base Directory Specification.
CACHE = Path("~/.cache/sqspeech/page")


def serve(
    checkpoints: Annotated[
        list[Path], typer.Argument(parser=find_checkpoint, metavar="CKPT...", help="Checkpoints of codecs.")
    ],
    prior: Annotated[list[Path], typer.Option(help="A prior of the units of one of them; repeatable.")] = [],  # noqa: B006
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Keeps recordings and results.")
    ] = CACHE,
    keep: Annotated[float, typer.Option(metavar="HOURS", help="What is older is removed.")] = 24.0,
    limit: Annotated[float, typer.Option(metavar="MB", help="Of a recording that is uploaded.")] = 1000.0,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in, whoever uses them.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 8000,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Orders that are carried out at once, a process each.")] = 1,
    device: Device = "auto",
) -> None:
    """Serve a page to hear models: convert, add a voice, generate speech."""
    import webbrowser

    from sqspeech.web.server import Address, serve
    from sqspeech.web.storage import Storage

    def started(url: str) -> None:
        print(f"{url} is the page; Ctrl-C ends it", flush=True)
        if open_it:
            webbrowser.open(url)

    storage = Storage(output.expanduser(), limit=round(limit * 1e6), keep=keep * 3600)
    devices = partial(find_device, device, shared=jobs > 1)
    serve(checkpoints, prior, Address(host=host, port=port), storage, devices, jobs=jobs, started=started)
