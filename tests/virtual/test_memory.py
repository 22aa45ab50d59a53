"""What a run needs is told before it starts, and a run that does not fit is refused."""

import re
import subprocess
import sys

import pytest

import algorithms
from suite.models import describe
from suite.record.specification import Optimizer
from suite.virtual import memory

PLAIN, MOMENTUM = Optimizer(), Optimizer(momentum=0.9)


@pytest.mark.parametrize(
    ("algorithm", "each"),
    [
        (algorithms.Synchronous(), 0),
        (algorithms.BackupWorkers(spares=4), 0),
        (algorithms.NoCommunication(), 2),
        (algorithms.Asynchronous(), 2),
        (algorithms.ElasticAveraging(momentum=0.5), 4),
        (algorithms.LocalSGD(), 2),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_only_workers_that_depart_cost_memory(algorithm, each):
    few, many = (memory.vectors(algorithm, MOMENTUM, workers) for workers in (100, 200))
    assert many - few == 100 * each


def test_more_than_there_is_is_refused_with_both_figures():
    net = describe("alexnet")
    needs = memory.needed(net, algorithms.Asynchronous(), PLAIN, 512, 256, 2)
    with pytest.raises(ValueError, match=r"workers = 512: need about \d+\.\d GB and 2.0 GB are free"):
        memory.refuse_what_does_not_fit(needs, 2_000_000_000, 512)
    memory.refuse_what_does_not_fit(needs, needs, 512)


@pytest.mark.timeout(300)
def test_a_hundred_asynchronous_workers_of_five_million_parameters_stay_within_what_was_told():
    """Every worker at a point of its own, as a network that takes a while makes it."""
    program = (
        "import resource, sys\n"
        "from suite.__main__ import run\n"
        "code = run(sys.argv[1:])\n"
        "print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)\n"
        "sys.exit(code)\n"
    )
    asked = (
        "train --virtual 100 --algorithm asynchronous --model alexnet --width 0.5 --image 28 --classes 10 "
        "--data synthetic --batch-size 1 --steps 2 --gbit 1 --straggler lognormal:sigma=1 --processes 1"
    )
    ended = subprocess.run([sys.executable, "-c", program, *asked.split()], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    peak = int(re.search(r"PEAK (\d+)", ended.stdout)[1])
    told = float(re.search(r"at most about ([\d.]+) GB", ended.stderr)[1]) * 1e9
    assert 5e6 * 4 * 20 < peak < told < 8e9
