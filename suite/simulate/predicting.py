"""From a workload, machines and an algorithm to what is expected: step times without running them."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np

from algorithms.contract import Algorithm, Exchange, Rounds
from algorithms.mechanisms.quorum import pace as quorum_pace
from algorithms.mechanisms.quorum.rules import rules
from algorithms.mechanisms.validation import one_of, whole
from suite.simulate import exchanging, meeting, quorums, wires
from suite.simulate.carrying import carry, round_seconds, singly
from suite.simulate.exchanging import Course
from suite.simulate.machines import Machines
from suite.simulate.prediction import Estimate, Prediction, mean_of, staleness_of
from suite.simulate.times import draw
from suite.simulate.wires import Wire
from suite.simulate.workload import Workload

SETTLING = 8  # first steps that do not count
EVEN_PERIODS = 12  # whole periods of workers that are all alike say all that there is to say
ARRIVALS = ("time", "serial")
# hclhkbu/B-Caffe's logs: exchanges within training took 1.6 to 2.1 times as long as on the same network when it was idle.
UNCALIBRATED = (
    "not calibrated: exchanges cost what they do on an idle network; in training they have been seen to take twice as "
    "long; the interval holds only what compute times scatter"
)


def predict(
    workload: Workload,
    machines: Machines,
    algorithm: Algorithm,
    *,
    wire: str = "none",
    steps: int = 500,
    seed: int = 0,
    plan: str | None = None,
    arrivals: str = "time",
) -> Prediction:
    """What `steps` steps would take.

    wire: the format in which numbers travel. plan: see `carrying.carry`, for other people's systems. arrivals: "serial",
    a round takes one offer, like a server that applies what arrives one by one.
    """
    whole("steps", steps, 1)
    whole("seed", seed, 0)
    one_of("arrivals", arrivals, ARRIVALS)
    algorithm.check(machines.workers)
    format_ = wires.fitted(wire, algorithm, machines.workers)
    course = simulate(workload, machines, algorithm, format_, steps, seed, plan, arrivals)
    bare = simulate(workload, machines.without_network(), algorithm, format_, steps, seed, plan, arrivals)
    calibration = machines.calibration
    share = max(0.0, 1 - float(np.mean(bare.steps)) / float(np.mean(course.steps)))
    spread = 0.0 if calibration is None else calibration.spread(machines)
    return _prediction(workload, machines, algorithm, format_, course, share, spread)


def simulate(
    workload: Workload,
    machines: Machines,
    algorithm: Algorithm,
    wire: Wire,
    steps: int,
    seed: int,
    plan: str | None = None,
    arrivals: str = "time",
    settling: int = SETTLING,
) -> Course:
    """The steps themselves, one by one, behind the first ones (`settling`), while a pipeline fills."""
    calibration = machines.calibration
    after = 0.0 if calibration is None else calibration.after(workload)
    if isinstance(algorithm, Exchange):
        times = draw(workload, machines, _enough(machines, steps, 1) + settling, seed)
        if not algorithm.reduces or machines.workers == 1:
            return _settled(exchanging.alone(workload, times, after), settling)
        if calibration is not None:
            after += calibration.handing(workload, machines, singly=plan is None and singly(algorithm))
        carried = carry(workload, machines, algorithm, wire, plan)
        return _settled(exchanging.exchange(workload, times, carried, algorithm, after), settling)
    assert isinstance(algorithm, Rounds)
    asked = rules(algorithm, machines.workers)
    if arrivals == "serial":
        if asked.quorum > 1:
            raise ValueError(f"arrivals='serial': {algorithm.name} needs {asked.quorum} offers to close a round, not 1")
        asked = replace(asked, limit=1)
    period = meeting.period_of(algorithm.meets)
    seconds = round_seconds(workload, machines, wire)
    if asked.everyone:
        # Whole periods, more than are asked for rather than less, behind one in which nothing was under way.
        count = (1 + -(-_enough(machines, steps, period) // period)) * period
        times = draw(workload, machines, count, seed)
        return _settled(meeting.meet(times, workload.step_seconds, algorithm, seconds, after), period)
    times = draw(workload, machines, max(_enough(machines, steps, period), 2 * period), seed)
    seconds += machines.costs.vote
    if calibration is not None and machines.workers > 1:
        seconds += _looked_for(workload.step_seconds + seconds, machines.workers)
    return quorums.run(times, workload.step_seconds, algorithm, asked, seconds, after)


def _looked_for(round_: float, workers: int) -> float:
    """Until the last of the helpers, each on its own rhythm, enters the vote that begins a round."""
    pace = min(max(quorum_pace.SHARE * round_, quorum_pace.SHORTEST), quorum_pace.LONGEST)
    return pace * workers / (workers + 1)


def _enough(machines: Machines, steps: int, period: int) -> int:
    return min(steps, EVEN_PERIODS * period) if machines.even else steps


def _settled(course: Course, settling: int) -> Course:
    return replace(course, steps=course.steps[settling:]) if len(course.steps) > settling else course


def _prediction(
    workload: Workload,
    machines: Machines,
    algorithm: Algorithm,
    wire: Wire,
    course: Course,
    share: float,
    spread: float,
) -> Prediction:
    found, lacks = mean_of(course, spread)
    samples = machines.workers * workload.batch * course.useful
    payload = sum(wire.bytes(shape) for _, shape in workload.tensors)
    sent = algorithm.bytes_per_exchange(machines.workers, payload) * course.exchanges if machines.workers > 1 else 0.0
    staleness, counts = staleness_of(course)
    hyper = dataclasses.fields(algorithm)  # type: ignore[arg-type]  # every algorithm is a dataclass
    options = {field.name: getattr(algorithm, field.name) for field in hyper if field.init}
    calibration = machines.calibration
    warnings = [lacks] if lacks else []
    if calibration is None and machines.workers > 1:
        warnings.append(UNCALIBRATED)
    elif calibration is not None:
        warnings += calibration.warnings(machines, workload)
    return Prediction(
        algorithm=algorithm.name,
        options=options,
        workers=machines.workers,
        step_seconds=found,
        samples_per_second=Estimate(samples / found.mean, samples / found.high, samples / found.low),
        exposed_seconds=Estimate(share * found.mean, share * found.low, share * found.high),
        staleness=staleness,
        staleness_counts=counts,
        bytes_per_step=Estimate(sent),
        useful=course.useful,
        memory=algorithm.memory(),
        fitted=() if calibration is None else calibration.fitted(),
        warnings=tuple(warnings),
    )
