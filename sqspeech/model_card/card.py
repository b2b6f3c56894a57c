"""A README in the format of the Hugging Face Hub, from a checkpoint and what is said about it."""

import json
import math
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from sqspeech import __version__
from sqspeech.checkpoint import FORMAT, TrainedModel
from sqspeech.model_card.figures import Figures, read_figures

TASK = "audio-to-audio"
# A data set of the Hub; of others the card has the name, and not the front matter.
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
# Names of speakers that are listed.
LISTED = 50


def model_card(
    checkpoint: Path | str,
    *,
    repo_id: str | None = None,
    licence: str | None = None,
    languages: Sequence[str] = (),
    data: Sequence[str] = (),
    evaluations: Iterable[tuple[str, Path]] = (),
) -> str:
    """Return the model card of a codec, in Markdown with a front matter in YAML.

    What is not given is said to be missing, and nothing is guessed.

    Parameters
    ----------
    checkpoint
        The model.
    repo_id
        USER/NAME on the Hub, for the examples; without it they are those of the file.
    licence
        As the Hub writes it, such as apache-2.0.
    languages
        ISO 639 codes.
    data
        The corpora of the training: names on the Hub, or others.
    evaluations
        See `read_figures`.

    Raises
    ------
    CheckpointError, DataError
        The checkpoint or a file of figures cannot be used.
    """
    path, trained = Path(checkpoint), TrainedModel.load(checkpoint)
    figures = list(read_figures(evaluations, trained))
    name = repo_id.rpartition("/")[2] if repo_id else path.stem
    front = {
        "license": licence.lower() if licence else None,
        "language": list(languages),
        "library_name": "sqspeech",
        "tags": _tags(trained),
        "pipeline_tag": TASK,
        "datasets": [corpus for corpus in data if HUB_NAME.fullmatch(corpus)],
        "model-index": _model_index(name, figures),
    }
    known = yaml.safe_dump({key: value for key, value in front.items() if value}, sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{known}---\n\n# {name}",
        _summary(trained),
        *_use(trained, path, repo_id),
        "## Model",
        _table(("", ""), _facts(trained, path)),
        "## Data and licence",
        *_origin(trained, licence, languages, data),
        "## Figures",
        *_figures(figures),
        "## Configuration",
        f"```yaml\n{yaml.safe_dump(trained.config.to_dict(), sort_keys=False)}```",
        f"Written by sqspeech {__version__} from the checkpoint.",
    ]
    return "\n\n".join(parts) + "\n"


def _tags(trained: TrainedModel) -> list[str]:
    units = ["discrete-units", "speech-codec"] if trained.model.quantizer.codebook_size else []
    return ["speech", *units, "voice-conversion", trained.config.quantizer.name]


def _rate(trained: TrainedModel) -> float:
    return trained.model.geometry.frame_rate(trained.config.features)


def _summary(trained: TrainedModel) -> str:
    quantizer, speakers = trained.model.quantizer, len(trained.speakers)
    if quantizer.codebook_size is None:
        return (
            "A variational autoencoder of speech. It reconstructs recordings and converts them to its speakers "
            f"({speakers}); it has no codebook, and so no units."
        )
    each = f"{quantizer.stages} numbers" if quantizer.stages > 1 else "a number"
    return (
        f"A codec of speech. `encode` turns speech into discrete units, {_rate(trained):g} a second, each {each} below "
        f"{quantizer.codebook_size}; `decode` turns units and one of the model's speakers ({speakers}) into speech. "
        "Both together convert a recording to a speaker."
    )


def _use(trained: TrainedModel, path: Path, repo_id: str | None) -> Iterator[str]:
    speaker = trained.speakers[0]
    load = f'from_pretrained("{repo_id}")' if repo_id else f"load({json.dumps(path.name)})"
    checkpoint = shlex.quote(f"hf://{repo_id}" if repo_id else path.name)
    extra = "[hub]" if repo_id else ""
    has_units = trained.model.quantizer.codebook_size is not None
    python = [
        "from sqspeech import Codec, audio\n",
        f"codec = Codec.{load}",
        *(['units = codec.encode("talk.wav")', "print(units.codes, units.times())"] if has_units else []),
        f'samples, sample_rate = codec.convert("talk.wav", to={json.dumps(speaker)})',
        'audio.write("converted.wav", samples, sample_rate)',
    ]
    shell = [
        *([f"sqspeech units {checkpoint} talk.wav -o units"] if has_units else []),
        f"sqspeech convert {checkpoint} talk.wav --to {shlex.quote(speaker)} -o converted",
    ]
    yield f'## Use\n\nIt needs sqspeech (`pip install "sqspeech{extra}"`) and a recording of yours, here `talk.wav`.'
    for language, lines in (("python", python), ("sh", shell)):
        yield "\n".join([f"```{language}", *lines, "```"])


def _facts(trained: TrainedModel, path: Path) -> Iterator[tuple[str, str]]:
    config, quantizer, features = trained.config, trained.model.quantizer, trained.config.features
    yield "encoder, quantiser, decoder", ", ".join(f"`{part.name}`" for part in _parts(trained))
    if quantizer.codebook_size:
        bits = _rate(trained) * quantizer.stages * math.log2(quantizer.codebook_size)
        yield "units", f"{_rate(trained):g} a second"
        yield (
            "codebook",
            f"{quantizer.codebook_size} codewords"
            + (f" in each of {quantizer.stages} stages" if quantizer.stages > 1 else ""),
        )
        yield "bits a second", f"{bits:.4g} at a fixed length, without entropy coding"
    yield "input", f"log-mel of {features.n_mels} bands, of samples at {features.sample_rate} Hz"
    yield "objective", f"`{config.training.objective}`"
    yield "parameters", f"{sum(p.numel() for p in trained.model.parameters()):,}"
    yield "vocoder", f"`{trained.vocoder.name}`, in the checkpoint" if trained.vocoder else "none of its own"
    yield "file", f"{path.stat().st_size / 1e6:.1f} MB, format `{FORMAT}`"
    yield "digest", f"`{trained.digest}`, the first 16 digits of the file's SHA-256"
    if trained.ancestors:
        yield "made from", ", ".join(f"`{digest}`" for digest in trained.ancestors) + ", with the same units"


def _parts(trained: TrainedModel) -> tuple[Any, Any, Any]:
    return trained.config.encoder, trained.config.quantizer, trained.config.decoder


def _origin(trained: TrainedModel, licence: str | None, languages: Sequence[str], data: Sequence[str]) -> Iterator[str]:
    listed, count = trained.speakers[:LISTED], len(trained.speakers)
    more = f", and {count - LISTED} more, which `sqspeech speakers` lists" if count > LISTED else ""
    yield "\n".join(
        [
            f"- Corpora: {', '.join(data) or 'not named'}.",
            f"- Languages: {', '.join(languages) or 'not named'}.",
            f"- Licence of the model: {licence or 'not given; ask whom you have it from'}.",
            f"- Speakers: {count}: {', '.join(f'`{speaker}`' for speaker in listed)}{more}.",
        ]
    )


def _figures(figures: Sequence[Figures]) -> Iterator[str]:
    if not figures:
        yield "None were given."
    for found in figures:
        yield f"On {found.test_set or 'a test set without a name'} ({found.size}):"
        yield _table(found.header, found.rows)


def _model_index(name: str, figures: Sequence[Figures]) -> list[dict[str, Any]]:
    """Return the figures as the Hub reads them; it wants the name of the test set."""
    results = [
        {
            "task": {"type": TASK},
            "dataset": {"name": found.test_set, "type": found.test_set.lower()},
            "metrics": [{"type": key, "name": title, "value": value} for key, (title, value) in found.values.items()],
        }
        for found in figures
        if found.test_set and found.values
    ]
    return [{"name": name, "results": results}] if results else []


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)
