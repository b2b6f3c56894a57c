"""Commands that give a model to others."""

from pathlib import Path
from typing import Annotated

import typer

from sqspeech.cli.named_paths import split_name
from sqspeech.cli.options import Checkpoint
from sqspeech.errors import DataError


def model_card(
    checkpoint: Checkpoint,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="README.md", help="The file to write; else printed.")
    ] = None,
    repo_id: Annotated[
        str | None, typer.Option("--repo", metavar="USER/NAME", help="Of the Hugging Face Hub, for the examples.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Of the model, as the Hub writes it: apache-2.0, ...")] = None,
    language: Annotated[list[str], typer.Option(help="ISO 639 code; repeatable.")] = [],  # noqa: B006 (typer reads it)
    data: Annotated[
        list[str], typer.Option(metavar="NAME", help="A corpus of the training, repeatable; as USER/NAME of the Hub.")
    ] = [],  # noqa: B006
    evaluation: Annotated[
        list[str],
        typer.Option(
            metavar="[SET=]JSON", help="Figures of `sqspeech evaluate` or `evaluate-units` on a test set, repeatable."
        ),
    ] = [],  # noqa: B006
) -> None:
    """Write the model card of a model: a README in the format of the Hugging Face Hub."""
    from sqspeech.atomic import write_text
    from sqspeech.model_card import model_card as write

    text = write(
        checkpoint,
        repo_id=repo_id,
        licence=licence,
        languages=language,
        data=data,
        evaluations=list(map(split_name, evaluation)),
    )
    if output is None:
        print(text, end="")
        return
    write_text(output, text)
    print(f"{output}: the model card of {checkpoint}")


def push(
    checkpoint: Checkpoint,
    repo_id: Annotated[str, typer.Argument(metavar="USER/NAME", help="A repository; made where there is none.")],
    card: Annotated[
        Path | None,
        typer.Option(
            metavar="README.md", help="Its model card; else that of `model-card`, where the repository has none."
        ),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Only for you.")] = False,
) -> None:
    """Put a model into a repository of the Hugging Face Hub, with its model card."""
    from sqspeech.hub import CHECKPOINT, has_card
    from sqspeech.hub import push as upload
    from sqspeech.model_card import model_card as write

    if card is not None:
        text: str | None = _read(card)
    else:
        text = None if has_card(repo_id) else write(checkpoint, repo_id=repo_id)
    address = upload(checkpoint, repo_id, card=text, private=private)
    print(f"{address}: {checkpoint} as {CHECKPOINT}{' and its card' if text else ''}")


def _read(card: Path) -> str:
    try:
        return card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{card}: cannot read the model card ({error}); give a text file in UTF-8") from None
