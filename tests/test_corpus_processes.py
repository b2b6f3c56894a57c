import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from sqspeech.corpus import Processes, map_in_order
from sqspeech.corpus.processes import WAITING_PER_JOB


def square(number: int) -> int:
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.002 * (number % 3))
    return number * number


def died(number: int) -> str:
    return f"died of {number}"


def run(items, jobs=2):
    return map_in_order(square, items, Processes(jobs), died=died)


@pytest.mark.parametrize("jobs", [1, 3])
def test_results_are_in_order(jobs):
    assert list(run(range(40), jobs)) == [n * n for n in range(40)]


def test_few_are_taken_ahead():
    taken = []
    results = run(taken.append(n) or n for n in range(1000))
    for count, _ in enumerate(results, start=1):
        assert len(taken) <= count + 2 * WAITING_PER_JOB
        if count == 20:
            break
    results.close()
    assert len(taken) < 40


def test_one_that_kills_its_process_costs_no_other():
    items = [1, 2, -3, 4, 5, -6, *range(7, 30)]
    assert list(run(items)) == [died(n) if n < 0 else n * n for n in items]


def test_an_error_in_the_function_is_raised():
    with pytest.raises(TypeError):
        list(run([1, "2"]))


def dawdle(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_what_is_under_way_ends_when_the_caller_leaves():
    results = map_in_order(dawdle, [0.0, 60.0], Processes(2), died=dawdle)
    assert next(results) == 0
    left = time.monotonic()
    results.close()
    assert time.monotonic() - left < 30


class Adds:
    """A function with a state that says where it was read from bytes."""

    def __init__(self, term: int) -> None:
        self.term, self.read_in = term, 0

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__dict__ |= state | {"read_in": self.read_in_count()}

    @staticmethod
    def read_in_count() -> int:
        Adds.count = getattr(Adds, "count", 0) + 1
        return Adds.count

    def __call__(self, item: int) -> tuple[int, int]:
        return self.term + item, self.read_in


def test_the_state_of_a_function_reaches_a_process_once():
    results = list(map_in_order(Adds(5), range(20), Processes(1), died=died))
    assert results == [(5 + n, 1) for n in range(20)]


def test_items_before_a_death_are_kept_and_others_are_computed_again(tmp_path):
    items = [tmp_path / name for name in ("a", "b", "dies", "c", "d")]
    assert list(map_in_order(note_and_die, items, Processes(1), died=str)) == [
        "a",
        "b",
        str(tmp_path / "dies"),
        "c",
        "d",
    ]
    assert (tmp_path / "a").read_text() == "x"
    assert (tmp_path / "dies").read_text() == "xx"


def note_and_die(path) -> str:
    with path.open("a") as file:
        file.write("x")
    if path.name == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    code = """
    import os, pathlib, sys, time
    from sqspeech.corpus import Processes, map_in_order

    def work(number):
        pathlib.Path(sys.argv[1], str(os.getpid())).touch()
        time.sleep(0.1)

    if __name__ == "__main__":
        list(map_in_order(work, range(10_000), Processes(2), died=work))
    """
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(code))
    (tmp_path / "pids").mkdir()
    parent = subprocess.Popen([sys.executable, script, tmp_path / "pids"])
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "pids").iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    workers = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    assert len(workers) == 2
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_running, workers))


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 (no such path on a system without /proc)
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


SLOW_TO_START = """
import os, pathlib, sys, time
here = pathlib.Path(__file__).parent
if os.getpid() != int((here / "caller").read_text()):
    (here / "starting").touch()
    time.sleep(1.5)

def work(number):
    (here / "working").touch()
    time.sleep(0.2)
    return number
"""
CALLER = """
import contextlib, os, pathlib, sys
pathlib.Path(sys.argv[1], "caller").write_text(str(os.getpid()))
from slow import work
from sqspeech.corpus import Processes, map_in_order

if __name__ == "__main__":
    try:
        with contextlib.closing(map_in_order(work, range(50), Processes(2), died=str)) as results:
            print(list(results))
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("moment", ["starting", "working"])
def test_an_interrupt_of_the_whole_group_is_the_caller_s(tmp_path, moment):
    """Ctrl-C in a terminal reaches every process: it is lost by none, and complained of by none."""
    (tmp_path / "slow.py").write_text(SLOW_TO_START)
    (tmp_path / "script.py").write_text(CALLER)
    command = [sys.executable, tmp_path / "script.py", tmp_path]
    caller = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, text=True, stdout=-1, stderr=-1)
    deadline = time.monotonic() + 60
    while not (tmp_path / moment).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    os.killpg(caller.pid, signal.SIGINT)
    out, err = caller.communicate(timeout=60)
    assert (out, err) == ("interrupted\n", "")


def test_leaving_while_results_are_sent_ends():
    """A process that ended in the middle of sending would leave its reader waiting for the rest."""
    code = """
        from corpus_results import large
        from sqspeech.corpus import Processes, map_in_order

        for _ in range(3):
            results = map_in_order(large, range(40), Processes(2), died=lambda number: b"")
            next(results)
            try:
                results.throw(ZeroDivisionError)
            except ZeroDivisionError:
                print("left")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=100,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    assert done.stdout == "left\n" * 3, done.stderr
