"""The device that sleeps: never too short on the real clock, and all the rest on a scripted one."""

import threading
import time

import pytest

from suite.models.slept import SPIN_SECONDS, SleptDevice, sleep_until
from tests.models.scripted import Script


def test_never_returns_early():
    for _ in range(25):
        deadline = time.perf_counter() + 1e-3
        assert not sleep_until(deadline)
        assert time.perf_counter() >= deadline


def test_spins_for_100_microseconds_at_most():
    script = Script()
    sleep_until(1.0, script.clock, script.sleep)
    assert script.slept == [pytest.approx(1.0 - SPIN_SECONDS, abs=2e-5)]
    assert script.reads <= 1 + SPIN_SECONDS / 1e-5 + 1
    assert script.now >= 1.0


def test_a_past_deadline_returns_at_once():
    script = Script()
    sleep_until(-1.0, script.clock, script.sleep)
    assert (script.slept, script.reads) == ([], 2)


def test_short_waits_do_not_sleep():
    script = Script()
    sleep_until(5e-5, script.clock, script.sleep)
    assert script.slept == []


def test_layers_queue_for_the_device():
    device = SleptDevice()
    assert device.reserve(arrived=10.0, seconds=2.0) == 12.0
    assert device.reserve(arrived=11.0, seconds=1.0) == 13.0  # waited for the first
    assert device.reserve(arrived=20.0, seconds=1.0) == 21.0  # idle in between


def test_a_sleep_that_is_cut_short_frees_the_device():
    script = Script(woken_at=0.0)
    device = SleptDevice(script.clock, script.sleep)
    device.run(arrived=0.0, seconds=5.0)
    assert script.now < 0.001
    assert device.reserve(arrived=script.now, seconds=1.0) == pytest.approx(1.0, abs=0.001)


def test_an_event_that_nobody_sets_changes_nothing():
    begun = time.perf_counter()
    assert not sleep_until(begun + 0.02, sleep=threading.Event().wait)
    assert time.perf_counter() - begun >= 0.02
