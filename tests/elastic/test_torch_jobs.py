"""Jobs that lose a worker in mid-step, and see a host come and another go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import psutil
import pytest

from suite.harness.elastic import host
from suite.warm.owner import WarmPython
from tests.elastic.figures import after_kill, latest
from tests.elastic.job import ElasticJob, Event
from tests.elastic.torch_problem import BATCH
from tests.patience import eventually

PATIENCE = 180.0  # on a busy machine survivors may wait for Gloo several times before all have met
GLOO = {"HOROVOD_GLOO_TIMEOUT_SECONDS": "20"}  # when survivors who wait for each other notice; 30 if nothing is said


def trains(events: Sequence[Event], workers: int, since: float) -> bool:
    """Whether so many have met, and each has made steps since."""
    met = [event for event in latest(events) if event.seconds > since]
    committed = {
        event.process for event in events if event.what == "commits" and met and event.seconds > met[-1].seconds
    }
    return len(met) == workers and {event.process for event in met} <= committed


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("algorithm", "copies"),
    [(("delayed", "steps=1", "wire=powersgd:rank=2"), False), (("elastic_averaging", "period=2"), True)],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else "",
)
def test_workers_come_and_go(warm_torch: WarmPython, algorithm: tuple[str, ...], copies: bool) -> None:
    argv = warm_torch.command("tests.elastic.torch_ours", "1000000", "0.05", *algorithm)
    with ElasticJob(argv, [host(n) for n in (2, 3, 4)], least=2, most=4, environment=GLOO) as job:
        events = job.wait_for(lambda seen: trains(seen, 3, 0.0), 3 * PATIENCE)  # PyTorch is imported first
        victim = next(event for event in latest(events) if event.facts["rank"] == 1)
        at = job.kill(victim.process)
        job.hosts = [name for name in job.hosts if name != victim.host] + [host(5)]
        kill = after_kill(job, victim, at, PATIENCE, workers=3)
        assert kill.steps_lost <= 1  # the step under way, on each

        met = latest(job.events())
        before = {event.process: event.facts["samples"] for event in met}
        assert sorted(event.host == host(5) for event in met) == [False, False, True]
        assert all((event.facts["samples"] == 0) == (event.host == host(5)) for event in met)  # survivors' counts stay
        assert (
            len({event.facts["digest"] for event in met}) == 1
        ) != copies  # as do their copies, where they have some

        job.hosts = [*job.hosts, host(6)]
        events = job.wait_for(lambda seen: trains(seen, 4, met[-1].seconds), PATIENCE)
        met = latest(events)
        assert all(event.facts["samples"] >= before.get(event.process, 0) for event in met)
        # Each time that the workers changed cost a worker the batch under way and no more. On a busy machine they change
        # more often than here: those who are left meet before the newcomer has imported what it needs.
        meetings = Counter(event.process for event in events if event.what == "begins")
        assert all(event.facts["lost"] <= BATCH * (meetings[event.process] - 1) for event in met)

        gone = max(met, key=lambda event: event.facts["rank"]).host
        job.hosts = [name for name in job.hosts if name != gone]
        events = job.wait_for(lambda seen: trains(seen, 3, met[-1].seconds), PATIENCE)
        assert gone not in {event.host for event in latest(events)}
        processes = {event.process for event in job.events()}
    eventually(lambda: not processes & set(psutil.pids()))
