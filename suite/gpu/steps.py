"""The steps of the check, in order of worth: what each runs on a GPU, what on a CPU instead, and how long it may take."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from suite.cluster.horovodrun import horovodrun
from suite.gpu import findings

HERE = Path(__file__).parent
PARALLEL = HERE.parents[1] / "tests" / "parallel"


class NotAvailableError(Exception):
    """The step cannot run here, and why."""


@dataclass(frozen=True)
class Setting:
    """Where the steps run. `nccl`: the Python of an environment whose Horovod has NCCL; None where there is none."""

    folder: Path  # of one step
    stand_in: bool = False
    nccl: str | None = None
    python: str = sys.executable
    lonely: str = ""  # why there cannot be two ranks

    @property
    def device(self) -> str:
        """By the suite's name; PyTorch's is `torch_device`."""
        return "cpu" if self.stand_in else "gpu"

    @property
    def torch_device(self) -> str:
        return "cpu" if self.stand_in else "cuda"

    def two_ranks(self) -> None:
        """For steps that need them."""
        if self.lonely:
            raise NotAvailableError(self.lonely)


@dataclass(frozen=True)
class Command:
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    name: str
    question: str
    seconds: float  # that all its commands may take
    commands: Callable[[Setting], Sequence[Command]]
    measured: Callable[[Path], Mapping[str, object]]  # what its folder holds afterwards


def sums(setting: Setting) -> list[Command]:
    setting.two_ranks()
    return [_sums(setting.python, 2, setting)]


def nccl(setting: Setting) -> list[Command]:
    """One rank: NCCL refuses two on one GPU."""
    if setting.nccl is None:
        raise NotAvailableError("no Horovod with NCCL: say --nccl and the Python of an environment that has it")
    train = [setting.nccl, "-m", "suite", "train", "--device", setting.device, "--model", "alexnet", "--width", "0.125"]
    train += ["--image", "28", "--classes", "10", "--steps", "5", "--algorithm", "layerwise"]
    demanded = [] if setting.stand_in else ["nccl"]
    return [_sums(setting.nccl, 1, setting, *demanded), Command(horovodrun(1, [("localhost", 1)], train))]


def trajectories(setting: Setting) -> list[Command]:
    """The tests that compare ranks with the virtual cluster, their nets on the GPU."""
    setting.two_ranks()
    tests = [str(PARALLEL / name) for name in ("test_torch_exchange.py", "test_torch_rounds.py")]
    if not PARALLEL.is_dir():
        raise NotAvailableError("the tests are not here: run it from a checkout, or from what was unpacked")
    argv = [setting.python, "-m", "pytest", *tests, "--device", setting.torch_device, "-q", "-rf"]
    # They run on CPUs every day: one optimizer of each shows there that the step works.
    chosen = "np2 and sgd and (virtual or meetings)" if setting.stand_in else "np2"
    settings = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}  # without it PyTorch does not compute the same twice
    return [Command([*argv, "-k", chosen, "-p", "no:cacheprovider"], settings)]


def overlap(setting: Setting) -> list[Command]:
    setting.two_ranks()
    return _bench("overlap", setting, (), "--trace", str(setting.folder / "traces"))


def streams(setting: Setting) -> list[Command]:
    """The same with PyTorch's profiler, which sees the GPU itself, for one blocking and two that overlap."""
    setting.two_ranks()
    found = []
    for chosen in (["synchronous"], ["synchronous", "overlap=true"], ["layerwise"]):
        module = [setting.python, "-m", "suite.gpu.streams_torch", str(setting.folder), setting.device]
        found.append(Command(horovodrun(2, [("localhost", 2)], [*module, *chosen])))
    return found


def profiles(setting: Setting) -> list[Command]:
    batches = (2,) if setting.stand_in else (32, 128, 256)
    small = ["--image", "64", "--width", "0.125", "--repeats", "3"] if setting.stand_in else ["--repeats", "20"]
    return [
        Command(
            [
                *(setting.python, "-m", "suite", "profile", model, "--device", setting.device),
                *("--precision", precision, "--batch-size", str(batch), *small),
                *("--out", str(setting.folder / f"{model}-torch-{setting.device}-{precision}-batch{batch}.json")),
            ]
        )
        for model in ("alexnet", "googlenet")
        for precision in ("fp32", "tf32")
        for batch in batches
    ]


def virtual(setting: Setting) -> list[Command]:
    """Real gradients of many workers in one process, on images of Fashion-MNIST's size."""
    steps = "2" if setting.stand_in else "20"
    return [
        Command(
            [
                *(setting.python, "-m", "suite", "train", "--virtual", workers, "--algorithm", "synchronous"),
                *("--model", model, "--width", "0.125", "--image", "28", "--classes", "10"),
                *("--data", "synthetic", "--batch-size", "8", "--steps", steps, "--device", setting.device, "--json"),
            ]
        )
        for model in ("alexnet", "googlenet")
        for workers in ("8", "100")
    ]


def memory(setting: Setting) -> list[Command]:
    setting.two_ranks()
    few = ("synchronous", "delayed", "elastic_averaging") if setting.stand_in else ()
    return _bench("memory", setting, few)


STEPS = (
    Step("sums", "Do two ranks that share a GPU add up right over Gloo?", 120, sums, findings.lines),
    Step("nccl", "Does one rank over NCCL?", 120, nccl, findings.lines),
    Step("trajectories", "Do ranks on a GPU follow the virtual cluster?", 420, trajectories, findings.tests),
    Step("overlap", "Does the exchange hide behind computing?", 300, overlap, findings.exposed),
    Step("streams", "Is the GPU computing while it copies what travels?", 240, streams, findings.lines),
    Step("profiles", "How long does each layer take?", 300, profiles, findings.profiles),
    Step("virtual", "How many gradients per second for 8 and 100 virtual workers?", 300, virtual, findings.gradients),
    Step("memory", "Is no more held than declared?", 420, memory, findings.memory),
)


def _sums(python: str, ranks: int, setting: Setting, *demanded: str) -> Command:
    return Command([python, "-m", "suite.gpu.sums", str(ranks), setting.torch_device, *demanded])


def _bench(name: str, setting: Setting, only: Sequence[str], *options: str) -> list[Command]:
    """The harness runs it as it runs any experiment; runs that are there are not repeated.

    No communication comes first: whatever is there when the step is cut is held against it.
    """
    size = {"batch": 4, "steps": 6, "image": 64, "width": 0.125}
    if not setting.stand_in:
        size = {"batch": 64, "steps": 40, "image": 224, "width": 1.0}
    text = Template((HERE / f"{name}.toml.template").read_text()).substitute(size, device=setting.device)
    path = setting.folder / f"gpu-{name}.toml"
    path.write_text(text)
    records = str(setting.folder / "records")
    bench = [setting.python, "-m", "suite", "bench", str(path), "--records", records, "--resume", "--retry", *options]
    chosen = [word for algorithm in only for word in ("--only", f"algorithm={algorithm}")]
    return [Command([*bench, "--only", "algorithm=no_communication"]), Command([*bench, *chosen])]
