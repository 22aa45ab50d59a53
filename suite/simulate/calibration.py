"""What cannot be known of machines, fitted to records of training on few of their workers; a file that says from which."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, ValidationError

from suite.record.part import Count, NonNegative, Part, Positive, PositiveNumber
from suite.simulate.machines import Costs, Machines, bytes_per_second, hop_seconds, hops, sharing
from suite.simulate.workload import Workload

VERSION = 4
# As a share (root mean square), what 110 kinds of emulated runs that were not fitted lay off.
LEAST_SPREAD = 0.023
NORMAL = 1.645  # of a 90 % interval
FAR = 4.0  # times as many workers, or as high a rate, beyond which a prediction warns


class Values(Part):
    """What was fitted."""

    overhead_ms: NonNegative = Field(description="of every step, besides computing, whoever takes part")
    update_s_per_gb: NonNegative = Field(description="of every step, for each GB of parameters")
    tensor_us: NonNegative = Field(description="of every step, for each tensor whose gradient travels")
    negotiation_us: NonNegative = Field(
        description="of every step, for each tensor that is negotiated on its own while backward goes on"
    )
    rate_share: Annotated[float, Field(gt=0, le=1)] = Field(description="of a link's rate that payload gets")
    contention: NonNegative = Field(
        description="how much longer bytes take for each further worker of a host at the same link, as a share"
    )
    handling_s_per_gb: NonNegative = Field(description="a processor's time for each GB that a worker sends")
    hop_us: NonNegative = Field(description="of one hop of a collective, besides the link's own latency")
    message_us: NonNegative = Field(description="of any exchange, whatever it carries")
    agreement_us: NonNegative = Field(
        description="until all agree upon what finds the wire idle, for each further worker that waits for a core"
    )
    vote_us: NonNegative = Field(description="of a vote, besides its hops")

    def lines(self) -> tuple[str, ...]:
        return tuple(f"{name} = {value:.4g}" for name, value in self.model_dump().items())


class Reach(Part):
    """What the records had in them: further away is extrapolation."""

    workers: tuple[Positive, Positive]
    gbit: tuple[PositiveNumber, PositiveNumber]
    megabytes: tuple[PositiveNumber, PositiveNumber]
    framework: tuple[str, ...]
    cores: Positive | None = Field(default=None, description="of the one machine that all emulated hosts were on")


class Missed(Part):
    """A run that was fitted, and how far the fit is from it."""

    identity: str
    label: str
    observed: PositiveNumber
    simulated: PositiveNumber
    kind: str = Field(default="", description="the same for runs that differ in workers, hosts and network alone")
    wire: NonNegative = Field(
        default=0.0, description="seconds that its bytes need at the stated rate, in one exchange"
    )

    @property
    def error(self) -> float:
        return self.simulated / self.observed - 1


class Calibration(Part):
    """The content of the file."""

    version: Literal[4] = 4
    commit: str | None = Field(description="of this project when it was fitted")
    records: tuple[str, ...] = Field(description="the experiments, and what was chosen of them")
    runs: tuple[Missed, ...]
    reach: Reach
    values: Values
    left_out: Count = Field(default=0, description="records that could not be used, see the output of calibrate")

    @classmethod
    def read(cls, path: str | Path) -> Calibration:
        path = Path(path)
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"calibration {path} cannot be read: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"]) or "the file"
            if where == "version":
                raise ValueError(
                    f"calibration {path} is of version {first['input']!r}, this is version {VERSION}: calibrate again"
                ) from None
            raise ValueError(f"calibration {path}: {where}: {first['msg']}") from None

    def save(self, path: Path) -> None:
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def after(self, workload: Workload) -> float:
        """Seconds of a step that neither compute nor travel."""
        return self.values.overhead_ms * 1e-3 + self.values.update_s_per_gb * workload.parameter_bytes * 1e-9

    def handing(self, workload: Workload, machines: Machines, *, singly: bool) -> float:
        """Seconds of a step that go to handing over gradients, tensor by tensor. `singly`: Horovod gets each on its own
        as backward makes it, so that its thread, which all ranks must agree with, lags behind.
        """
        each = self.values.tensor_us + (self.values.negotiation_us * load(machines) if singly else 0.0)
        return each * 1e-6 * len(workload.tensors)

    def costs(self, machines: Machines) -> Costs:
        """The closed form with what was fitted in it. Messages wait for a processor that is free; bytes, of which there are
        always some on the wire, do not.
        """
        values = self.values
        busy = load(machines)
        steps = hops(machines) * (hop_seconds(machines) + values.hop_us * 1e-6 * busy)
        exchange = values.message_us * 1e-6 * busy + steps
        agreement = values.agreement_us * 1e-6 * (busy - 1)
        together = sharing(machines) + values.contention * (min(machines.per_host, machines.workers) - 1)
        wire = together / (bytes_per_second(machines) * values.rate_share)
        sent = 2 * (machines.workers - 1) / machines.workers
        per_byte = sent * (wire + values.handling_s_per_gb * 1e-9)
        vote = values.vote_us * 1e-6 * busy + steps
        return Costs(exchange=exchange, per_byte=per_byte, vote=vote, agreement=agreement)

    def without_network(self) -> Calibration:
        """What is left of it where nothing that travels takes any time."""
        nothing = dict.fromkeys(("handling_s_per_gb", "hop_us", "message_us", "agreement_us", "vote_us"), 0.0)
        return self.model_copy(update={"values": self.values.model_copy(update=nothing)})

    def sigma(self, machines: Machines) -> float:
        """What the fit left unexplained, wider the further away one looks."""
        errors = [math.log(run.simulated / run.observed) for run in self.runs]
        left = math.sqrt(sum(error * error for error in errors) / max(1, len(errors) - len(Values.model_fields)))
        return max(left, LEAST_SPREAD) * math.hypot(1.0, *self.distances(machines).values())

    def distances(self, machines: Machines) -> dict[str, float]:
        """Beyond what was calibrated, in doublings."""
        return {
            "workers": _beyond(machines.workers, self.reach.workers),
            "gbit": _beyond(machines.gbit, self.reach.gbit),
        }

    def spread(self, machines: Machines) -> float:
        """The logarithm of the factor by which a run may lie off, nine times of ten."""
        return NORMAL * self.sigma(machines)

    def line(self, kind: str, wire: float) -> float | None:
        """What somebody would expect who draws a straight line through runs of this kind, over what their bytes need."""
        points = {run.wire: run.observed for run in self.runs if run.kind == kind}
        if len(points) < 2:
            return None
        slope, start = np.polyfit(list(points), list(points.values()), 1)
        found = float(start + slope * wire)
        return found if found > 0 else None

    def warnings(self, machines: Machines, workload: Workload) -> list[str]:
        """Where a prediction is an extrapolation, and how far."""
        found = []
        for name, value, (low, high) in (
            ("workers", float(machines.workers), self.reach.workers),
            ("Gbit/s", machines.gbit, self.reach.gbit),
            ("MB of parameters", workload.parameter_bytes / 1e6, self.reach.megabytes),
        ):
            far = 2 ** _beyond(value, (low, high))
            if far >= FAR:
                end = high if value > high else low
                found.append(f"{value:g} {name} are {far:.3g} times as far as the calibration went ({end:g})")
        return found

    def fitted(self) -> tuple[str, ...]:
        """What was fitted and from what, as every prediction says it."""
        return (f"fitted to {len(self.runs)} runs: {'; '.join(self.records)}", *self.values.lines())


def load(machines: Machines) -> float:
    """How many workers wait for each core where all run on one machine."""
    return 1.0 if machines.shared_cores is None else max(1.0, machines.workers / machines.shared_cores)


def _beyond(value: float, reach: tuple[float, float]) -> float:
    low, high = reach
    if math.isinf(value):
        return 0.0
    return max(0.0, math.log2(value / high), math.log2(low / value))


def wire_seconds(workload: Workload, machines: Machines) -> float:
    """What an exchange of everything takes at the stated rate, and nothing else."""
    sent = 2 * (machines.workers - 1) / machines.workers * workload.parameter_bytes
    return sent * sharing(machines) / bytes_per_second(machines)
