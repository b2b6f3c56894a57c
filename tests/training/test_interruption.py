import signal
import threading

import pytest

from sqspeech.training.interruption import SIGNALS, Interruption


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_the_first_one_counts(number):
    before = [signal.getsignal(each) for each in SIGNALS]
    with Interruption() as interruption:
        assert interruption.requested is None
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)
        assert interruption.requested is number
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_second_ctrl_c_acts_at_once():
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption.requested is signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_scheduler_may_say_it_twice():
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR1)
    assert interruption.requested is signal.SIGUSR1


def test_another_thread_leaves_signals_alone():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work():
        with Interruption() as interruption:
            seen.append((signal.getsignal(signal.SIGTERM), interruption.requested))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(before, None)]
