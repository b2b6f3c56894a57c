"""Features and validation."""

from pathlib import Path
from typing import Annotated

import typer

from sqspeech.cli.options import (
    Cluster,
    Config,
    Data,
    Device,
    Jobs,
    Overrides,
    ShardText,
    Strict,
    find_device,
    open_workers,
)


def features(
    data: Data,
    dump: Annotated[Path, typer.Argument(metavar="DUMP", help="The folder to write.")],
    config: Config,
    overrides: Overrides = [],  # noqa: B006 (typer's way)
    jobs: Jobs = 1,
    cluster: Cluster = None,
    shard: ShardText = None,
    device: Device = "auto",
    strict: Strict = False,
) -> None:
    """Compute log-mel features; a run that was stopped is continued, and shards are put together."""
    from sqspeech.config import load_config
    from sqspeech.corpus import Shard
    from sqspeech.data.data_dir import DataDir
    from sqspeech.data.feature_extraction import extract_features

    experiment = load_config(config, overrides)
    part = Shard.parse(shard) if shard else None
    with open_workers(jobs, cluster) as workers:
        done, failures = extract_features(
            DataDir.read(data), dump, experiment.features, workers=workers, device=find_device(device), shard=part
        )
    # What is wrong with the whole is seen when the shards are put together.
    failures.check(1 if part else done, strict=strict)
    seen = f", see {dump / 'notes'}" if failures.notes else ""
    print(f"{dump}: features of {done} utterances, {len(failures.reasons)} skipped{failures.noted()}{seen}")
    if shard:
        print("when all shards are done, the same command without --shard puts them together")


def validate(
    data: Annotated[Path, typer.Argument(metavar="DATA|DUMP", help="A Kaldi data directory, or a dump.")],
    fix: Annotated[Path | None, typer.Option(metavar="OUT", help="Write a cleaned copy to this new folder.")] = None,
    jobs: Jobs = 1,
    cluster: Cluster = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.tsv", help="Write every finding, a line each.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with status 1 for warnings, too.")] = False,
) -> None:
    """Check a data directory and its audio, or a dump, and list every fault."""
    from sqspeech.data_checks.fix import check_free, write_clean
    from sqspeech.data_checks.summary import summary, treatments, write_tsv
    from sqspeech.data_checks.validate import validate as examine

    if fix:
        check_free(fix)
    with open_workers(jobs, cluster) as workers:
        found = examine(data, workers=workers)
        print(*summary(found.findings), found.text(), sep="\n")
        if report:
            write_tsv(report, found.findings)
        if fix:
            left = write_clean(found, fix)
            print(f"{fix}: the cleaned copy", *treatments(found.findings), sep="\n")
            if left:
                print(f"not copied: {', '.join(left)}")
            found = examine(fix, workers=workers)
            print(*summary(found.findings), found.text(), sep="\n")
    raise typer.Exit(int(found.failed(strict=strict)))
