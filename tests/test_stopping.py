"""Requests to stop: raised where the work is whole, and by a second signal at once."""

from __future__ import annotations

import gc
import signal
import time

import pytest

from siamjax import stopping


def ask(number=signal.SIGTERM):
    signal.raise_signal(number)


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_a_request_waits_for_the_next_check(number):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("whoever started the tests has it ignored, as nohup does, and so do we")
    with stopping.requests() as asked:
        stopping.check()
        assert not asked()
        ask(number)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            stopping.check()


@pytest.mark.parametrize("patience", [60, 0.02])
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_request_in_a_callback_that_swallows_exceptions_is_not_lost(patience):
    """JAX has one that the main thread is in quite often as a program ends."""
    def callback(phase, info):
        if phase == "stop":
            ask()
            time.sleep(0.1)  # the alarm goes off in here

    def collect_and_go_on():
        gc.callbacks.append(callback)
        gc.collect()
        gc.callbacks.remove(callback)
        for _ in range(500):
            time.sleep(0.01)
            if patience == 60:
                stopping.check()

    with pytest.raises(KeyboardInterrupt), stopping.requests(patience=patience):
        collect_and_go_on()
    assert callback not in gc.callbacks


def test_without_a_check_it_is_raised_after_a_while():
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt), stopping.requests(patience=0.1):  # noqa: PT012
        ask()
        time.sleep(60)
    assert time.monotonic() - begin < 30


def test_a_second_request_is_raised_at_once_but_its_echo_is_not(monkeypatch):
    monkeypatch.setattr(stopping, "ECHO", 0.05)
    with stopping.requests(patience=None) as asked:
        ask(signal.SIGTERM)
        ask(signal.SIGINT)
        stopping.check()  # the block looks at `asked`
        assert asked()
        time.sleep(0.06)
        with pytest.raises(KeyboardInterrupt):
            ask(signal.SIGTERM)


def test_what_is_held_is_not_torn():
    done = []
    with pytest.raises(KeyboardInterrupt), stopping.requests(patience=0.01):  # noqa: PT012
        with stopping.held():
            with stopping.held():
                ask()
                time.sleep(0.1)
            done.append("inner")
        done.append("after")
    assert done == ["inner"]


def test_handlers_and_the_alarm_are_given_back():
    numbers = [*stopping.SIGNALS, signal.SIGALRM]
    before = [signal.getsignal(number) for number in numbers]
    for patience in (60, None):
        with stopping.requests(patience=patience):
            ask()
        assert [signal.getsignal(number) for number in numbers] == before
    with stopping.requests():
        ask()
        with pytest.raises(KeyboardInterrupt):
            stopping.check()
        assert signal.getsignal(signal.SIGALRM) == before[-1]


def test_a_hang_up_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
    try:
        with stopping.requests() as asked:
            ask(signal.SIGHUP)
            assert not asked()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_a_command_nothing_is_asked():
    stopping.check()
    with stopping.held():
        pass
