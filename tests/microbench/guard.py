"""What it costs that nobody can change a gradient while it travels: processor time a step, beside the step's own.

    python -m tests.microbench.guard [--steps 300] [--compute 0.6]

The guard is all that stands between backward and the wire for its sake: marking the parameters, taking each gradient
away, giving the average back, and unmarking them. Nothing travels here, so nothing hides it.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import nn

from algorithms.torch.exchange import travelling
from algorithms.torch.exchange.travelling import Travelling
from algorithms.torch.memory import like
from suite.models import profile

MODELS = ("alexnet", "googlenet")


def guarded(parameters: list[nn.Parameter], gradients: list[torch.Tensor], marks: Travelling) -> float:
    """Seconds of one step's guard. The references that a loop holds would make every gradient a shared one."""
    for parameter in parameters:
        travelling.put(parameter, gradients.pop())
    begun = time.process_time()
    marks.hold(parameters)
    for parameter in parameters:
        gradient, shared = travelling.take(parameter)
        assert not shared
        gradients.append(like(parameter, gradient))
        del gradient
    marks.release()
    seconds = time.process_time() - begun
    gradients.reverse()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument(
        "--compute", type=float, default=0.6, help="seconds of computing a step; by default those of `floor`"
    )
    asked = parser.parse_args()
    steps, step = asked.steps, asked.compute
    torch.set_num_threads(1)
    for model in MODELS:
        recorded = profile.find(f"{model}-torch-cpu").scaled(size=0.125)
        shapes = [shape for layer in recorded.layers for _, shape in layer.parameters]
        parameters = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
        gradients, marks = [torch.zeros(shape) for shape in reversed(shapes)], Travelling(lambda _: None)
        seconds = sorted(guarded(parameters, gradients, marks) for _ in range(steps))
        print(
            f"{model}: {len(shapes)} parameters, guard {statistics.median(seconds) * 1e3:.3f} ms a step "
            f"(95 of 100 below {seconds[int(0.95 * steps)] * 1e3:.3f} ms); of {step * 1e3:.0f} ms of computing: "
            f"{1 + statistics.median(seconds) / step:.5f} x",
            flush=True,
        )


if __name__ == "__main__":
    main()
