"""Kills workers at random moments and says what came of it: `python -m tests.elastic.figures --help`."""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from suite.harness.elastic import host
from suite.warm.owner import WarmPython
from tests.elastic.job import ElasticJob, Event
from tests.elastic.torch_problem import BATCH
from tests.warm_processes import IMPORTS

WORKERS = 4
# Hosts that wait for a worker of their own. When a worker dies while another one sends, Gloo may end a survivor's process,
# too (an exception in a thread of its own that nobody can catch), and Horovod does not use that host again.
SPARE_HOSTS = 4
ENDLESS = "1000000"  # steps
# What is tried, as the worker programs take it. Stock Horovod's own states and optimizer come first.
TRIED = {
    "stock": ("tests.elastic.torch_stock",),
    "synchronous": ("tests.elastic.torch_ours", "synchronous"),
    "layerwise": ("tests.elastic.torch_ours", "layerwise"),
    "delayed": ("tests.elastic.torch_ours", "delayed", "steps=1"),
    "backup_workers": ("tests.elastic.torch_ours", "backup_workers", "spares=1"),
    "elastic_averaging": ("tests.elastic.torch_ours", "elastic_averaging", "period=4"),
    "local_sgd": ("tests.elastic.torch_ours", "local_sgd", "period=4"),
}


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One worker killed, and what followed."""

    rank: int
    seconds: float  # from the kill to the first commit of a step, by any worker, after all had met again
    samples_lost: int  # drawn by anyone and in no commit
    steps_lost: int  # the most that one worker lost
    taken_along: int  # survivors whose processes ended, too
    agreed: bool  # what must be equal was equal on all workers when they went on


@dataclass(frozen=True, kw_only=True)
class Figures:
    name: str
    asked: int
    kills: Sequence[Kill]
    memory: Sequence[int]  # of the worker that lived longest, after each recovery that it saw
    failure: str

    def line(self) -> str:
        if not self.kills:
            return f"{self.name:18} 0 of {self.asked}   {self.failure}"
        seconds = statistics.median(kill.seconds for kill in self.kills)
        lost = statistics.median(kill.samples_lost for kill in self.kills)
        most = max(kill.steps_lost for kill in self.kills)
        agreed = sum(kill.agreed for kill in self.kills)
        taken = sum(kill.taken_along for kill in self.kills)
        grown = (
            f"{(self.memory[-1] - self.memory[1]) / 1e6:+.1f} MB over {len(self.memory) - 2}"
            if self.memory[2:]
            else "-"
        )
        return (
            f"{self.name:18} {len(self.kills):2} of {self.asked:<3} {seconds:8.1f} s {lost:8.0f} {most:8} {agreed:6} "
            f"{taken:6}     {grown}   {self.failure}"
        )


HEAD = "tried           recovered  median from  samples  at most   equal  taken     memory of the oldest worker\n" + (
    "                           kill to step  (median)   steps  after  along     between its first recovery and its last"
)


def latest(events: Sequence[Event]) -> list[Event]:
    """The beginnings of the last meeting, if it is complete: all its workers have begun."""
    begun = [event for event in events if event.what == "begins"]
    if not begun:
        return []
    size = begun[-1].facts["size"]
    last: dict[int, Event] = {}
    for event in begun:
        last[event.process] = event
    together = sorted(last.values(), key=lambda event: event.seconds)[-size:]
    return together if {event.facts["rank"] for event in together} == set(range(size)) else []


def lost(events: Sequence[Event], killed: int, again: float) -> dict[int, int]:
    """Steps that each worker had drawn before `again` and had not committed."""
    under_way: dict[int, int] = defaultdict(int)
    told: dict[int, int] = defaultdict(int)
    for event in events:
        if event.seconds > again:
            break
        if event.what == "draws":
            under_way[event.process] += 1
        elif event.what == "commits":
            under_way[event.process] = 0
        elif event.what == "begins":
            told[event.process], under_way[event.process] = under_way[event.process], 0
    return {**told, killed: under_way[killed]}


def after_kill(job: ElasticJob, victim: Event, at: float, patience: float, workers: int = WORKERS) -> Kill:
    before = {event.process for event in latest([event for event in job.events() if event.seconds <= at])}

    def met(events: Sequence[Event]) -> bool:
        meeting = [event for event in latest(events) if event.seconds > at]
        if not meeting or len(meeting) != workers:
            return False
        last = max(event.seconds for event in meeting)
        return any(event.what == "commits" and event.seconds > last for event in events)

    events = job.wait_for(met, patience)
    meeting = latest(events)
    again = max(event.seconds for event in meeting)
    first = min(event.seconds for event in events if event.what == "commits" and event.seconds > again)
    steps = lost(events, victim.process, again)
    living = {event.process for event in meeting}
    counted = {process: steps.get(process, 0) for process in (*living, victim.process)}
    return Kill(
        rank=victim.facts["rank"],
        seconds=first - at,
        samples_lost=BATCH * sum(counted.values()),
        steps_lost=max(counted.values()),
        taken_along=len(before - living - {victim.process}),
        agreed=len({event.facts["agreed"] for event in meeting}) == 1,
    )


def tried(
    name: str, kills: int, warm: WarmPython, *, seed: int, pause: float, timeout: int, spare: bool = False
) -> Figures:
    module, *arguments = TRIED[name]
    chance, numbers = random.Random(seed), count(2)
    hosts = [host(next(numbers)) for _ in range(WORKERS + SPARE_HOSTS)]
    seen: list[Kill] = []
    spared = 0  # the process that lives through all of it, where one is to
    failure = ""
    environment = {"HOROVOD_GLOO_TIMEOUT_SECONDS": str(timeout), "OMP_NUM_THREADS": "1"}
    argv = warm.command(module, ENDLESS, str(pause), *arguments)
    with ElasticJob(argv, hosts, least=2, most=WORKERS, environment=environment) as job:
        try:
            job.wait_for(lambda events: any(event.what == "commits" for event in events), 180)
            for number in range(kills):
                time.sleep(chance.uniform(0.2, 1.5))
                there = latest(job.events())
                spared = spared or min(event.process for event in there)
                victim = chance.choice([event for event in there if not spare or event.process != spared])
                at = job.kill(victim.process)
                hosts = [name for name in hosts if name != victim.host] + [host(next(numbers))]
                job.hosts = hosts
                seen.append(after_kill(job, victim, at, 60 + 2 * timeout))
                print(f"{name}: {number + 1} of {kills}: {seen[-1]}", file=sys.stderr, flush=True)
        except (TimeoutError, RuntimeError) as error:
            failure = str(error).splitlines()[0]
            print(error, file=sys.stderr, flush=True)
        oldest: dict[int, list[int]] = defaultdict(list)
        for event in job.events():
            if event.what == "begins":
                oldest[event.process].append(event.facts["memory"])
        memory = max(oldest.values(), key=len, default=[])
    return Figures(name=name, asked=kills, kills=seen, memory=memory, failure=failure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python -m tests.elastic.figures --kills 20 stock synchronous local_sgd",
    )
    parser.add_argument(
        "tried", nargs="*", default=list(TRIED), help=f"of {', '.join(TRIED)}; all of them if none is named"
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds that a backward takes longer")
    parser.add_argument(
        "--timeout", type=int, default=8, help="Gloo's, in seconds: when survivors who wait for each other notice"
    )
    parser.add_argument(
        "--spare", action="store_true", help="never kill one of the first workers, whose memory is shown"
    )
    asked = parser.parse_args()
    unknown = [name for name in asked.tried if name not in TRIED]
    if unknown:
        parser.error(f"{unknown[0]!r} is none of {', '.join(TRIED)}")
    warm = WarmPython(["numpy", *IMPORTS["torch"]])
    try:
        lines = [HEAD]
        for name in asked.tried:
            how = {"seed": asked.seed, "pause": asked.pause, "timeout": asked.timeout, "spare": asked.spare}
            figures = tried(name, asked.kills, warm, **how)
            lines.append(figures.line())
            print(f"{HEAD}\n{figures.line()}", flush=True)
        load = json.dumps([round(value, 1) for value in os.getloadavg()])
        print(
            "\n".join(
                [*lines, f"Gloo's timeout {asked.timeout} s; load of the machine {load} on {os.cpu_count()} cores"]
            )
        )
    finally:
        warm.close()


if __name__ == "__main__":
    main()
