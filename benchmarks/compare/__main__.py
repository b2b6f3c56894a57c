"""Train and evaluate every model of a table with several seeds, and lay the results side by side."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.compare.configuration import TableError
from benchmarks.compare.pictures import draw_pictures
from benchmarks.compare.results import markdown, read_results, write_csv
from benchmarks.compare.run import Run, read_runs
from benchmarks.compare.schedule import Inputs, Schedule

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def compare(
    table: Annotated[Path, typer.Argument(help="The models: YAML.")],
    exp: Annotated[Path, typer.Option(help="The folder to write; continued if it exists.")],
    dump: Annotated[Path | None, typer.Option(help="The folder that holds the dumps train/ and dev/.")] = None,
    data: Annotated[Path | None, typer.Option(help="The Kaldi data directory to evaluate on.")] = None,
    item: Annotated[Path | None, typer.Option(help="A ZeroSpeech item file over it: adds ABX.")] = None,
    overrides: Annotated[
        list[str], typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change every model.")
    ] = [],  # noqa: B006 (typer's way)
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    table_only: Annotated[bool, typer.Option("--table-only", help="Run nothing; tabulate what is there.")] = False,
) -> None:
    """Train and evaluate every model of TABLE with its seeds, then write tables and pictures into EXP."""
    failed: list[str] = []
    try:
        runs = read_runs(table, exp, overrides)
        if not table_only:
            if dump is None or data is None:
                raise typer.BadParameter("--dump and --data are needed, unless --table-only")
            schedule = Schedule(runs, Inputs(dump=dump, data=data, item=item, device=device), jobs)
            asyncio.run(schedule.run())
            failed = schedule.failed
        write_results(exp, runs)
    except TableError as error:
        sys.exit(f"error: {error}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted; run the same command to go on, or with --table-only to see what is there", file=sys.stderr)
        sys.exit(130)
    if failed:
        sys.exit(f"error: {len(failed)} runs failed: {', '.join(failed)}; run the same command to try them again")


def write_results(exp: Path, runs: list[Run]) -> None:
    """Write the tables and pictures of what is there, and print the table."""
    results = read_results(runs)
    exp.mkdir(parents=True, exist_ok=True)
    table = markdown(runs, results)
    (exp / "table.md").write_text(table, encoding="utf-8")
    write_csv(exp, results)
    pictures = draw_pictures(exp, results)
    names = ["table.md", "table.csv", "runs.csv", *(path.name for path in pictures)]
    print(f"\n{table}\n{exp}: {', '.join(names)}")


if __name__ == "__main__":
    app()
