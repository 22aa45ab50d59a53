"""A PyTorch rank: joins the job, builds the model, wraps the user's optimizer as the specification says."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import horovod.torch as hvd
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from algorithms.contract import Rounds
from algorithms.mechanisms.telemetry import Telemetry
from suite.experiment.controls import Bare as BareControl
from suite.experiment.controls import Control, TorchDDP
from suite.experiment.live import Live
from suite.models import replay_torch, torch_builder
from suite.models.slept import SleptDevice
from suite.rank.layer_spans import LayerSpans
from suite.rank.observer import Stopwatch
from suite.rank.resident import DevicePeak
from suite.rank.side import Built, Changing, Parts, Place
from suite.record.specification import Optimizer, Specification
from suite.training.bare_torch import Bare
from suite.training.torch_loop import TorchOptimizer, TorchSession


def join(specification: Specification) -> Place:
    torch.set_num_threads(specification.threads)
    if specification.algorithm.name == BareControl.name:
        return Place(0, 1, 0, lambda mine: [mine])
    hvd.init()
    if specification.algorithm.name == TorchDDP.name:
        return _join_gloo()
    return Place.of(hvd)


def build(live: Live, place: Place) -> Built:
    return _parts(live, place).build()


def changing(live: Live, place: Place) -> Changing:
    from algorithms.torch import ElasticState

    parts = _parts(live, place)
    return parts.changing(ElasticState(parts.model, parts.wrap, step=0), hvd.elastic.run, hvd)


def _parts(live: Live, place: Place) -> Parts:
    specification = live.specification
    torch.manual_seed(specification.seed * 100_003 + place.rank)  # dropout and the like differ between ranks
    device = torch.device("cpu") if specification.device == "cpu" else card(place.local_rank)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    slept = SleptDevice()
    if live.profile is not None:
        model = replay_torch.build(live.profile, slept)
        head_weights: Sequence[float] = (1.0,)
    else:
        model = torch_builder.build(live.net, specification.seed)
        head_weights = live.net.head_weights
    model = model.to(device)
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    inner = make_optimizer(specification.optimizer, model)
    algorithm = live.algorithm
    if isinstance(algorithm, TorchDDP):
        devices = [device.index] if device.type == "cuda" else None
        model = torch.nn.parallel.DistributedDataParallel(model, devices, bucket_cap_mb=algorithm.bucket_mb)
    peak = None
    if device.type == "cuda":
        peak = DevicePeak(torch.cuda.reset_peak_memory_stats, torch.cuda.max_memory_allocated)

    def wrap() -> Any:
        if isinstance(algorithm, Control):
            return Bare(inner)
        from algorithms.torch import DistributedOptimizer  # the controls do without it

        return DistributedOptimizer(
            inner, model, algorithm, check_every=specification.agreement_every, wire=specification.form
        )

    def built(optimizer: Any) -> Built:
        telemetry: Any = None
        late: threading.Event | None = None
        if not isinstance(algorithm, Control):
            telemetry, late = optimizer.telemetry, optimizer.late
        elif isinstance(algorithm, BareControl):
            telemetry = Telemetry
        if late is not None:
            slept.sleep = late.wait  # as a layer that computes would be left
        updating = None if telemetry is None else Stopwatch()
        session = TorchSession(
            model,
            optimizer if updating is None else _Timed(optimizer, telemetry, updating),
            head_weights=head_weights,
            learning_rate=live.learning_rate,
            device=str(device),
            barrier=torch.cuda.synchronize if device.type == "cuda" else lambda: None,
        )
        rounds = isinstance(algorithm, Rounds)
        return Built(session, model, optimizer, telemetry, size, updating, rounds, late, device_peak=peak)

    return Parts(model, size, wrap, built)


def card(local_rank: int) -> torch.device:
    """This rank's GPU. Ranks share one where there are more of them, which NCCL does not allow."""
    if not torch.cuda.is_available():
        raise ValueError(f"device = gpu: PyTorch {torch.__version__} sees none; `farandole gpu-check` says why")
    cards = torch.cuda.device_count()
    ranks = hvd.local_size() if hvd.is_initialized() else 1  # without Horovod nothing travels over its NCCL
    if ranks > cards and hvd.nccl_built():
        raise ValueError(
            f"device = gpu: {ranks} ranks share {cards} GPU{'s' if cards > 1 else ''} here, which NCCL refuses: run on "
            f"{cards}, or with a Horovod built by `farandole horovod build --nccl off --again`"
        )
    return torch.device("cuda", local_rank % cards)


def watch_layers(built: Built, spans: LayerSpans) -> None:
    """Every module with parameters of its own, forward and backward; what stood still for it, and its update.

    Beside them what travels and votes, as far as the wrapper carries it itself.
    """
    if isinstance(built.model, torch.nn.parallel.DistributedDataParallel):
        spans.untold.append("exchanges: PyTorch's DistributedDataParallel has them to itself")
    elif not built.optimizer.watch(spans):
        spans.untold.append("exchanges: Horovod's own optimizer has them; its timeline shows them for rank 0")
    layers = {id(value): name.rpartition(".")[0] for name, value in built.model.named_parameters()}
    counted = built.telemetry or Telemetry

    def updates(optimizer: torch.optim.Optimizer) -> str:
        """The layer that this step is for; "all" of several, or where the parameters are not the model's own."""
        of = {layers.get(id(value), "all") for group in optimizer.param_groups for value in group["params"]}
        return of.pop() if len(of) == 1 else "all"

    def before(optimizer: torch.optim.Optimizer, *_: object) -> None:
        if optimizer is not built.optimizer:
            of = updates(optimizer)
            spans.stood_still(f"wait {of}", counted().exposed_seconds)
            spans.begin(f"update {of}")

    def after(optimizer: torch.optim.Optimizer, *_: object) -> None:
        if optimizer is built.optimizer:
            spans.stood_still("wait all", counted().exposed_seconds)
        else:
            spans.end(f"update {updates(optimizer)}")

    # For all optimizers: a wrapper applies copies of the user's own, or another one in its place.
    register_optimizer_step_pre_hook(before)
    register_optimizer_step_post_hook(after)
    for name, module in built.model.named_modules():
        if any(True for _ in module.parameters(recurse=False)):
            forward, backward = f"forward {name}", f"backward {name}"
            module.register_forward_pre_hook(lambda *_, name=forward: spans.begin(name))
            module.register_forward_hook(lambda *_, name=forward: spans.end(name))
            module.register_full_backward_pre_hook(lambda *_, name=backward: spans.begin(name))
            module.register_full_backward_hook(lambda *_, name=backward: spans.end(name))


def leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def make_optimizer(chosen: Optimizer, model: torch.nn.Module) -> torch.optim.Optimizer:
    """The user's optimizer, as PyTorch has it."""
    parameters = model.parameters()
    options: dict[str, Any] = dict(chosen.options)
    rate, decay = chosen.learning_rate, chosen.weight_decay
    if chosen.name == "sgd":
        return torch.optim.SGD(
            parameters, lr=rate, momentum=chosen.momentum, nesterov=chosen.nesterov, weight_decay=decay, **options
        )
    if chosen.name == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, momentum=chosen.momentum, weight_decay=decay, **options)
    kind = torch.optim.Adam if chosen.name == "adam" else torch.optim.AdamW
    return kind(parameters, lr=rate, weight_decay=decay, **options)


def _join_gloo() -> Place:
    """PyTorch's own process group. Horovod is used to find rank 0 and then left: its idle negotiation costs time."""
    rank, size, local = hvd.rank(), hvd.size(), hvd.local_rank()
    with socket.socket() as server:
        server.bind(("", 0))
        offer = (socket.gethostbyname(socket.gethostname()), server.getsockname()[1])
    address, port = hvd.broadcast_object(offer, root_rank=0, name="harness.address")
    hvd.shutdown()
    card = os.environ.get("HOROVOD_GLOO_IFACE")
    if card:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", card)
    torch.distributed.init_process_group("gloo", init_method=f"tcp://{address}:{port}", rank=rank, world_size=size)

    def exchange(mine: Any) -> Sequence[Any]:
        found: list[Any] = [None] * size
        torch.distributed.all_gather_object(found, mine)
        return found

    return Place(rank, size, local, exchange, hvd)


class _Timed:
    """An optimizer whose `step` is timed: what it did but stand still."""

    def __init__(self, optimizer: Any, telemetry: Any, updating: Stopwatch) -> None:
        self._optimizer: TorchOptimizer = optimizer
        self._telemetry: Callable[[], Telemetry] = telemetry
        self._updating = updating
        self._clock = updating.clock

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return self._optimizer.param_groups

    def attempt(self) -> AbstractContextManager[object]:
        return self._optimizer.attempt()

    def zero_grad(self) -> None:
        self._optimizer.zero_grad()

    def step(self) -> object:
        began, before = self._clock(), self._telemetry().exposed_seconds
        result = self._optimizer.step()
        stood = self._telemetry().exposed_seconds - before
        self._updating.add(max(0.0, self._clock() - began - stood))
        return result

    def evaluation(self) -> AbstractContextManager[object]:
        return self._optimizer.evaluation()

    def state_dict(self) -> dict[str, Any]:
        return self._optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(state)
