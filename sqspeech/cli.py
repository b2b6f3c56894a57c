"""The command line. torch is imported inside the commands, so that --help answers at once."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from sqspeech import __version__
from sqspeech.errors import SqspeechError

if TYPE_CHECKING:
    import torch

    from sqspeech.data.data_dir import Utterance

app = typer.Typer(
    help="Speech to discrete units and back: reconstruction, voice conversion, acoustic units.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
Strict = Annotated[bool, typer.Option("--strict", help="End with status 1 if any input was skipped.")]
Config = Annotated[Path, typer.Option(help="The experiment's YAML.")]
Overrides = Annotated[list[str], typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a value of it.")]
Checkpoint = Annotated[Path, typer.Argument(metavar="CKPT", help="A checkpoint that `sqspeech train` wrote.")]
Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="INPUT...", help="Recordings, folders, patterns, data directories; - is standard input."),
]
Data = Annotated[Path, typer.Argument(metavar="DATA", help="A Kaldi data directory.")]


class Residency(StrEnum):
    """Where the features live while training."""

    auto = "auto"
    device = "device"
    host = "host"
    disk = "disk"


class OnNan(StrEnum):
    """What to do when a step is not finite."""

    stop = "stop"
    rollback = "rollback"


class VocoderChoice(StrEnum):
    """What makes samples of a log-mel."""

    world = "world"
    griffin_lim = "griffin_lim"


class UnitFormat(StrEnum):
    """The formats that units are written in."""

    kaldi = "kaldi"
    npz = "npz"


# As a path on the command line: standard input or output.
STANDARD = Path("-")


@app.command()
def features(
    data: Data,
    dump: Annotated[Path, typer.Argument(metavar="DUMP", help="The folder to write.")],
    config: Config,
    overrides: Overrides = [],  # noqa: B006 (typer's way)
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    device: Device = "auto",
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Compute the I-th of N parts only.")] = None,
    strict: Strict = False,
) -> None:
    """Compute log-mel features; a run that was stopped is continued, and shards are put together."""
    from sqspeech.config import load_config
    from sqspeech.data.data_dir import DataDir
    from sqspeech.data.feature_extraction import Shard, extract_features

    experiment = load_config(config, overrides)
    part = Shard.parse(shard) if shard else None
    done, failures = extract_features(
        DataDir.read(data), dump, experiment.features, jobs=jobs, device=_device(device), shard=part
    )
    # What is wrong with the whole is seen when the shards are put together.
    failures.check(1 if part else done, strict=strict)
    mended = f", {len(failures.notes)} used with a note, see {dump / 'notes'}" if failures.notes else ""
    print(f"{dump}: features of {done} utterances, {len(failures.reasons)} skipped{mended}")
    if shard:
        print("when all shards are done, the same command without --shard puts them together")


@app.command()
def validate(
    data: Annotated[Path, typer.Argument(metavar="DATA|DUMP", help="A Kaldi data directory, or a dump.")],
    fix: Annotated[Path | None, typer.Option(metavar="OUT", help="Write a cleaned copy to this new folder.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    report: Annotated[Path | None, typer.Option(metavar="FILE.tsv", help="Write every finding, a line each.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with status 1 for warnings, too.")] = False,
) -> None:
    """Say everything that is wrong with a data directory and its audio, or with a dump."""
    from sqspeech.validation.findings import mended, summary, write_tsv
    from sqspeech.validation.fix import check_free, write_clean
    from sqspeech.validation.validate import validate as examine

    if fix:
        check_free(fix)
    found = examine(data, jobs=jobs)
    print(*summary(found.findings), found.text(), sep="\n")
    if report:
        write_tsv(report, found.findings)
    if fix:
        left = write_clean(found, fix)
        print(f"{fix}: the cleaned copy", *mended(found.findings), sep="\n")
        if left:
            print(f"not copied: {', '.join(left)}")
        found = examine(fix, jobs=jobs)
        print(*summary(found.findings), found.text(), sep="\n")
    raise typer.Exit(int(found.failed(strict=strict)))


@app.command()
def train(
    dump: Annotated[Path, typer.Argument(metavar="DUMP", help="The folder that holds the dumps train/ and dev/.")],
    exp: Annotated[Path, typer.Argument(metavar="EXP", help="The experiment directory; continued if it exists.")],
    config: Config,
    overrides: Overrides = [],  # noqa: B006
    device: Device = "auto",
    residency: Annotated[Residency, typer.Option(help="Where the features live while training.")] = Residency.auto,
    on_nan: Annotated[OnNan, typer.Option(help="What to do when a step is not finite.")] = OnNan.stop,
    eager: Annotated[bool, typer.Option("--eager", help="Record no CUDA graph; for debugging.")] = False,
    profile: Annotated[int, typer.Option(metavar="N", min=0, help="Only say where the time of N steps goes.")] = 0,
) -> None:
    """Train a model, or continue; under torchrun with several processes."""
    from sqspeech.config import load_config
    from sqspeech.data.feature_store import FeatureStore
    from sqspeech.training import Trainer
    from sqspeech.training.distributed import is_first, process_group
    from sqspeech.training.interruption import EXIT_STATUS, Stopped

    experiment = load_config(config, overrides)
    training_set, dev_set = (FeatureStore.open(dump / name, experiment.features) for name in ("train", "dev"))
    with process_group(_device(device)) as own_device:
        trainer = Trainer(
            experiment, training_set, dev_set, exp, own_device,
            residency=residency.value, eager=eager, on_nan=on_nan.value,
        )  # fmt: skip
        say = partial(print, file=sys.stderr) if is_first() else _silent
        say(f"{trainer.frames.describe()}; {trainer.crops.left_out} utterances are shorter than a crop and left out")
        if profile:
            say(trainer.profile(profile))
            return
        first = trainer.step
        try:
            trainer.run()
        except Stopped as stopped:
            say(stopped)
            sys.exit(EXIT_STATUS)
        if is_first():
            print(f"{exp}: steps {first} to {trainer.step}, least dev MSE {trainer.best_mse_db2:.2f} dB²")


@app.command()
def units(
    checkpoint: Checkpoint,
    inputs: Inputs,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    unit_format: Annotated[UnitFormat, typer.Option("--format")] = UnitFormat.kaldi,
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Write the discrete units of recordings."""
    from sqspeech.checkpoint import TrainedModel
    from sqspeech.failures import Failures
    from sqspeech.progress import track
    from sqspeech.units import UnitInfo, extract, write_units

    trained = TrainedModel.load(checkpoint, _device(device))
    info = UnitInfo.of(trained)
    failures, codes = Failures(), {}
    with _read_inputs(inputs) as utterances:
        for utterance in track(utterances, "units", len(utterances)):
            with failures.skipping(utterance.utt_id):
                codes[utterance.utt_id] = extract(trained, utterance.read(trained.config.features.sample_rate))
    failures.check(len(codes), strict=False)
    write_units(output, codes, info, unit_format.value)
    failures.check(len(codes), strict=strict)
    print(f"{output}: {sum(map(len, codes.values()))} units of {len(codes)} utterances")


@app.command()
def convert(
    checkpoint: Checkpoint,
    inputs: Inputs,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write; - writes one WAV to stdout.")],
    to: Annotated[
        list[str],
        typer.Option(
            help="A speaker, `all`, `source` (the utterance's own), or a mixture: p225:0.5,p226:0.5; repeatable."
        ),
    ] = [],  # noqa: B006
    jobs_list: Annotated[
        Path | None, typer.Option("--list", metavar="FILE", help="Lines of `utterance speaker target` instead of --to.")
    ] = None,
    vocoder: Annotated[VocoderChoice, typer.Option(help="What makes the waveform.")] = VocoderChoice.world,
    pitch: Annotated[
        str, typer.Option(metavar="target|keep|+N", help="With world: to the target's, as it is, or by N semitones.")
    ] = "target",
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Say recordings in other voices."""
    from sqspeech.conversion import Converter, convert_all, plan

    with _read_inputs(inputs) as utterances, _stdout_for(output) as folder:
        converter = Converter.load(checkpoint, _device(device), vocoder.value)
        jobs = plan(utterances, to, jobs_list, converter.trained.speakers)
        if folder != output and sum(len(job.targets) for job in jobs) != 1:
            raise SqspeechError("-o -: standard output takes one recording in one voice; name a folder for more")
        count, failures = convert_all(converter, jobs, folder, pitch=pitch)
    failures.check(count, strict=strict)
    if folder == output:
        print(f"{output}: {count} recordings, listed in {output / 'manifest.tsv'}")


@app.command()
def evaluate(
    checkpoint: Checkpoint,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file to write.")],
    item: Annotated[Path | None, typer.Option(help="A ZeroSpeech item file: adds ABX.")] = None,
    parallel: Annotated[bool, typer.Option("--parallel", help="Measure conversion against parallel texts.")] = False,
    conversion: Annotated[
        Path | None,
        typer.Option(metavar="PAIRS", help="Lines of `utterance speaker target`: measure conversion in full."),
    ] = None,
    train_data: Annotated[
        Path | None,
        typer.Option("--train", metavar="DATA", help="With --conversion: natural speech of the voices."),
    ] = None,
    vocoder: Annotated[VocoderChoice, typer.Option(help="What makes the waveform.")] = VocoderChoice.world,
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Measure reconstruction, codebook, bitrate, ABX and conversion."""
    from sqspeech.atomic import write_text
    from sqspeech.checkpoint import TrainedModel
    from sqspeech.data.data_dir import DataDir
    from sqspeech.evaluation.evaluate import evaluate as measure

    trained = TrainedModel.load(checkpoint, _device(device))
    if (conversion is None) != (train_data is None):
        raise SqspeechError("--conversion PAIRS and --train DATA: one needs the other")
    of_voices = (conversion, DataDir.read(train_data)) if conversion and train_data else None
    metrics, failures = measure(
        trained, DataDir.read(data), item=item, parallel=parallel, conversion=of_voices, vocoder=vocoder.value
    )
    write_text(output, json.dumps(metrics, indent=2) + "\n")
    failures.check(metrics["utterances"], strict=strict)
    print(f"{output}: {metrics['utterances']} utterances, {metrics['seconds']:.0f} s")


@app.command()
def enroll(
    checkpoint: Checkpoint,
    inputs: Inputs,
    name: Annotated[str, typer.Option(help="Of the new speaker.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="CKPT2", help="The checkpoint to write.")],
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Teach a model one more voice from some of its speech, 30 s or more; all else in it stays as it is."""
    from sqspeech.atomic import atomic_path
    from sqspeech.checkpoint import TrainedModel, read_checkpoint, write_content
    from sqspeech.conversion import enroll as learn
    from sqspeech.failures import Failures

    trained, failures, recordings = TrainedModel.load(checkpoint, _device(device)), Failures(), []
    with _read_inputs(inputs) as utterances:
        for utterance in utterances:
            with failures.skipping(utterance.utt_id):
                recordings.append(utterance.read(trained.config.features.sample_rate))
    failures.check(len(recordings), strict=strict)
    content = learn(trained, read_checkpoint(checkpoint, trained.device), recordings, name)
    with atomic_path(output) as temporary:
        write_content(temporary, content)
    seconds = sum(map(len, recordings)) / trained.config.features.sample_rate
    print(f"{output}: knows {name}, from {seconds:.0f} s of speech")


@app.command()
def speakers(checkpoint: Checkpoint) -> None:
    """List the speakers that a model knows."""
    import torch

    from sqspeech.checkpoint import read_checkpoint

    print("\n".join(read_checkpoint(checkpoint, torch.device("cpu"))["speakers"]))


@app.command()
def report(
    exp: Annotated[Path, typer.Argument(metavar="EXP", help="An experiment directory.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
) -> None:
    """Write one self-contained page of an experiment, and print where its results are."""
    from sqspeech.report import write_report

    print(write_report(exp, output))


@app.command()
def doctor() -> None:
    """Print versions and devices, and what is missing and how to get it."""
    from sqspeech.doctor import examine

    sound = examine()
    raise typer.Exit(0 if sound else 1)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


def _device(name: str) -> "torch.device":
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise SqspeechError(
            f"--device {name}: not to be had on this machine; `sqspeech doctor` lists devices"
        ) from None
    return device


def _silent(*values: object) -> None:
    pass


@contextmanager
def _read_inputs(inputs: Sequence[Path]) -> "Iterator[list[Utterance]]":
    """Yield the utterances of the inputs; `-` is a recording on standard input."""
    from sqspeech.data.inputs import read_inputs

    with TemporaryDirectory(prefix="sqspeech-") as folder:
        stdin = Path(folder) / "stdin"
        if STANDARD in inputs:
            stdin.write_bytes(sys.stdin.buffer.read())
        yield read_inputs([stdin if path == STANDARD else path for path in inputs])


@contextmanager
def _stdout_for(output: Path) -> Iterator[Path]:
    """Yield `output` or, where it is `-`, a folder whose one recording is written to standard output afterwards."""
    if output != STANDARD:
        yield output
        return
    with TemporaryDirectory(prefix="sqspeech-") as folder:
        yield Path(folder)
        for path in Path(folder).glob("*.wav"):
            sys.stdout.buffer.write(path.read_bytes())
            sys.stdout.buffer.flush()


def main() -> None:
    """Run the command line; an expected failure is one line and status 1, an interruption is status 130."""
    status = _run()
    if "TORCHELASTIC_RUN_ID" in os.environ:
        # gloo's threads outlive their process group, and now and then abort an interpreter that is taken down.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _run() -> int:
    try:
        app()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except SqspeechError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    main()
