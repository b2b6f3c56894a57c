"""Generated speech on disk: samples of a prior, or continuations of recordings, as units and decoded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqspeech.codec import Codec
from sqspeech.codec.rules import check_origin
from sqspeech.codec.speakers import find_speaker
from sqspeech.codec.units import Units, UnitSet
from sqspeech.conversion.decoding import DecodingRequest, decode_rows
from sqspeech.conversion.manifest import write_manifest
from sqspeech.data.data_dir import Utterance
from sqspeech.errors import DataError
from sqspeech.failures import Failures
from sqspeech.priors.sampling import Sampling
from sqspeech.priors.trained import Prior
from sqspeech.progress import track
from sqspeech.units import Contents
from sqspeech.units.formats import Entry
from sqspeech.units.store import write

FORMAT = "npz"
COLUMNS = ("utt_id", "target", "output", "prompt", "prompt_seconds", "seconds")


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """Request for `count` samples of some `seconds`, beside a prompt, of the draws of a seed."""

    seconds: float
    count: int
    seed: int
    sampling: Sampling

    def __post_init__(self) -> None:
        if not 0 < self.seconds < float("inf"):
            raise DataError(f"{self.seconds:g} s of speech to generate; give a positive number")


@dataclass(frozen=True, kw_only=True)
class _Sample:
    utt_id: str
    units: Units
    prompt: str | None = None
    prompt_seconds: float = 0.0


def generate(
    prior: Prior,
    codec: Codec,
    output: Path,
    speaker: str,
    request: GenerationRequest,
    *,
    prompts: Sequence[Utterance] | None = None,
    vocoder: str | None = None,
) -> tuple[int, Failures]:
    """Write generated speech to `output`, its units to `output`/units and a manifest; the same files for a seed.

    Parameters
    ----------
    prior, codec
        The model of units, and that which decodes them.
    output
        The folder to write.
    speaker
        Whose voice: a speaker of the codec, or a mixture of them. A prior that knows this speaker draws units like
        his or hers.
    request
        How much, and how it is drawn.
    prompts
        Recordings to continue; `count` samples without a prompt when None.
    vocoder
        See `Codec.decode`.

    Returns
    -------
    count
        How many recordings were written.
    failures
        The prompts that could not be used, and the samples that could not be decoded.

    Raises
    ------
    DataError
        The prior is of another model's units, or the speaker is unknown.
    """
    check_origin(prior.info, codec.trained)
    find_speaker(codec.trained, speaker)
    chosen, failures = codec.vocoders.for_units(vocoder), Failures()
    samples = {found.utt_id: found for found in _samples(prior, codec, speaker, request, prompts, failures)}
    if not samples:
        return 0, failures
    units = UnitSet(info=prior.info, units={name: found.units for name, found in samples.items()})
    output.mkdir(parents=True, exist_ok=True)
    _write_units(output, units, codec)
    requests = [DecodingRequest(utt_id=name, targets=(speaker,)) for name in samples]
    rows, undecoded = decode_rows(codec, units, requests, output, chosen)
    failures.absorb(undecoded)
    for row in rows:
        found = samples[str(row["utt_id"])]
        seconds = len(found.units) / prior.info.frame_rate
        row |= {"prompt": found.prompt, "prompt_seconds": found.prompt_seconds, "seconds": seconds}
    about = {
        "prior": prior.digest,
        "checkpoint": codec.trained.digest,
        "vocoder": chosen.name,
        "seed": str(request.seed),
        "temperature": f"{request.sampling.temperature:g}",
        "top_p": f"{request.sampling.top_p:g}",
    }
    write_manifest(output, about, COLUMNS, rows)
    return len(rows), failures


def _samples(
    prior: Prior,
    codec: Codec,
    speaker: str,
    request: GenerationRequest,
    prompts: Sequence[Utterance] | None,
    failures: Failures,
) -> Iterator[_Sample]:
    digits = len(str(request.count))
    for utterance in track([None] if prompts is None else prompts, "sampling", len(prompts or [None])):
        name, prompt = "sample" if utterance is None else utterance.utt_id, None
        with failures.skipping(name):
            if utterance is not None:
                # Of the same units: the codec may have been given more speakers since.
                prompt = codec.encode(utterance.read(codec.sample_rate)).with_origin(prior.info)
            drawn = prior.sample(
                request.seconds,
                count=request.count,
                seed=request.seed,
                prompt=prompt,
                speaker=speaker,
                sampling=request.sampling,
            )
            for number, units in enumerate(drawn, 1):
                yield _Sample(
                    utt_id=f"{name}-{number:0{digits}}",
                    units=units,
                    prompt=None if utterance is None else utterance.utt_id,
                    prompt_seconds=0.0 if prompt is None else len(prompt) / prior.info.frame_rate,
                )


def _write_units(output: Path, units: UnitSet, codec: Codec) -> None:
    geometry, hop = codec.trained.model.geometry, codec.trained.config.features.hop_length
    entries = (
        Entry(
            utt_id=name,
            path=Path(f"{name}.wav"),
            n_samples=(geometry.frames(len(units[name])) - 1) * hop,
            units=units[name],
        )
        for name in sorted(units)
    )
    folder = output / "units"
    folder.mkdir(exist_ok=True)
    write(folder, FORMAT, entries, Contents(), units.info, output)
