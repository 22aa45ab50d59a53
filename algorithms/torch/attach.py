"""Before training: is what the user gave sound, and the same on every rank? Then make the ranks equal to rank 0."""

from __future__ import annotations

import io
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import horovod.torch as hvd
import torch
from torch import nn
from torch.utils.weak import WeakIdKeyDictionary

from algorithms.contract import Algorithm, Exchange, Rounds
from algorithms.mechanisms.process_sets import refuse_set
from algorithms.mechanisms.validation import flag, optional_real, whole
from algorithms.torch import collectives
from algorithms.torch.driver import Attached
from algorithms.torch.exchange import travelling
from algorithms.torch.memory import flat
from algorithms.wire import NONE, Asked, fitting

_taken: WeakIdKeyDictionary = WeakIdKeyDictionary()  # parameters that a wrapper holds -> that wrapper


@dataclass
class _Process:
    """What this process remembers from one wrapped optimizer to the next."""

    wrapped: int = 0


_process = _Process()


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the user asked for besides the algorithm."""

    passes: int
    weighted: bool
    clip_norm: float | None
    sparse_as_dense: bool
    check_every: int
    wire: Asked = NONE
    among: hvd.ProcessSet = hvd.global_process_set
    others: tuple[torch.optim.Optimizer, ...] = ()
    clock: Callable[[], float] = time.perf_counter


def attach(
    owner: object, optimizer: torch.optim.Optimizer, model: nn.Module, algorithm: Algorithm, wishes: Wishes
) -> Attached:
    """Check on every rank, raise on all if one finds fault, broadcast. Collective."""
    if not hvd.is_initialized():
        hvd.init()
    among = wishes.among
    refuse_set(among, hvd.global_process_set, hvd.rank())
    prefix = f"farandole.{_number(among)}."
    problem: str | None = None
    description: tuple[object, ...] = ()
    try:
        _check(optimizer, model, algorithm, wishes)
        description = _description(optimizer, model, algorithm, wishes)
    except ValueError as error:
        problem = str(error)
    collectives.verdict(problem, f"{prefix}verdict", among)
    what = "what is trained, and how, must be the same on every rank:"
    collectives.same(description, what, f"{prefix}same", among)
    held = _held(optimizer)
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad and id(p) in held]
    attached = Attached(
        optimizer=optimizer,
        model=model,
        names=tuple(name for name, _ in named),
        parameters=tuple(p for _, p in named),
        among=among,
        workers=among.size(),
        rank=among.rank(),
        prefix=prefix,
        passes=wishes.passes,
        weighted=wishes.weighted,
        form=fitting(wishes.wire, algorithm, among.size()),
        clip_norm=wishes.clip_norm,
        clock=wishes.clock,
        late=threading.Event() if isinstance(algorithm, Rounds) and algorithm.gives_up else None,
    )
    if wishes.sparse_as_dense:  # before the driver's own hooks
        for p in attached.parameters:
            attached.hooks.append(p.register_post_accumulate_grad_hook(_densify))  # type: ignore[no-untyped-call]
    equalise([*model.parameters(), *model.buffers()], prefix, among)
    _equalise_state(optimizer, prefix, among)
    for parameter in attached.parameters:
        _taken[parameter] = weakref.ref(owner)
    return attached


def _number(among: hvd.ProcessSet) -> int:
    """Of this optimizer, the same on every rank: one that has joined an elastic job has wrapped fewer than the others."""
    number = max(int(str(said)) for said in collectives.gather(_process.wrapped, "farandole.begin", among))
    _process.wrapped = number + 1
    return number


def release(attached: Attached) -> None:
    """The parameters may be wrapped again."""
    for hook in attached.hooks:
        hook.remove()
    for parameter in attached.parameters:
        if parameter in _taken:
            del _taken[parameter]


def _densify(parameter: torch.Tensor) -> None:
    gradient = travelling.own(parameter)
    if gradient is not None and gradient.layout is not torch.strided:
        travelling.put(parameter, gradient.to_dense())


def _check(optimizer: torch.optim.Optimizer, model: nn.Module, algorithm: Algorithm, wishes: Wishes) -> None:
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ValueError(f"optimizer={optimizer!r}: must be a torch.optim.Optimizer")
    if not isinstance(model, nn.Module):
        raise ValueError(f"model={type(model).__name__}: must be a torch.nn.Module")
    if not isinstance(algorithm, Algorithm):
        raise ValueError(f"algorithm={algorithm!r}: must be one of algorithms.CATALOGUE, made with its arguments")
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ValueError(
            "LBFGS computes the gradient several times within one step, which no exchange here provides for"
        )
    if hasattr(optimizer, "backward_passes_per_step") or hasattr(optimizer, "finish"):
        raise ValueError(f"{type(optimizer).__name__} is distributed already: give the plain optimizer")
    whole("passes", wishes.passes, 1)
    whole("check_every", wishes.check_every, 0)
    flag("weighted", wishes.weighted)
    flag("sparse_as_dense", wishes.sparse_as_dense)
    optional_real("clip_norm", wishes.clip_norm, 0, low_allowed=False)
    if algorithm.virtual_only:
        raise ValueError(f"{algorithm.name} runs in algorithms.virtual only")
    if wishes.check_every and isinstance(algorithm, Exchange) and not algorithm.reduces:
        raise ValueError(f"check_every={wishes.check_every}: {algorithm.name} lets parameters differ; use 0")
    algorithm.check(wishes.among.size())
    if (
        wishes.check_every
        and isinstance(algorithm, Rounds)
        and algorithm.quorum(wishes.among.size()) < wishes.among.size()
    ):
        raise ValueError(
            f"check_every={wishes.check_every}: with {algorithm.name} ranks do not make their steps together, so who comes "
            "to one first would wait for the others; use 0, and check_agreement() behind finish()"
        )
    fitting(wishes.wire, algorithm, wishes.among.size())
    _check_parameters(optimizer, model, wishes.others)
    if not wishes.sparse_as_dense:
        _check_dense(model)


def _held(optimizer: torch.optim.Optimizer) -> dict[int, nn.Parameter]:
    return {id(p): p for group in optimizer.param_groups for p in group["params"]}


def _check_parameters(
    optimizer: torch.optim.Optimizer, model: nn.Module, others: Sequence[torch.optim.Optimizer]
) -> None:
    held = _held(optimizer)
    elsewhere = {key for other in others for key in _held(other)}
    twice = [p for key, p in held.items() if key in elsewhere]
    if twice:
        raise ValueError(
            f"others hold {len(twice)} parameters that the optimizer holds, too (the first of shape "
            f"{tuple(twice[0].shape)}): each parameter must have one optimizer"
        )
    named = dict(model.named_parameters())
    theirs = {id(p) for p in named.values()}
    lazy = [name for name, p in named.items() if isinstance(p, nn.parameter.UninitializedParameter)]
    if lazy:
        raise ValueError(f"{lazy[0]} has no shape yet: call the model once before wrapping")
    strangers = [p for key, p in held.items() if key not in theirs]
    if strangers:
        raise ValueError(
            f"the optimizer holds {len(strangers)} parameters that the model does not (the first of shape "
            f"{tuple(strangers[0].shape)}): give the model whose parameters() the optimizer was made with"
        )
    missing = [name for name, p in named.items() if p.requires_grad and id(p) not in held and id(p) not in elsewhere]
    if missing:
        raise ValueError(
            f"the optimizer does not hold {', '.join(missing[:3])}{' ...' * (len(missing) > 3)}: add them to it, freeze "
            "them with requires_grad_(False), or name the optimizers that do with others=[...]"
        )
    if not any(p.requires_grad for p in held.values()):
        raise ValueError("no parameter requires a gradient: there is nothing to train")
    for name, p in named.items():
        if id(p) in held and p in _taken and _taken[p]() is not None:
            raise ValueError(f"{name} belongs to another DistributedOptimizer: detach() that one first")
        if p.requires_grad and flat(p) is None:
            raise ValueError(f"{name} has strides {p.stride()}, with gaps or overlaps: make it contiguous")


def _check_dense(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse:
            raise ValueError(
                f"{name or 'the model'} makes sparse gradients, which have no place in a planned exchange: wrap with "
                "sparse_as_dense=True, or use sparse=False"
            )


def _description(
    optimizer: torch.optim.Optimizer, model: nn.Module, algorithm: Algorithm, wishes: Wishes
) -> tuple[object, ...]:
    parameters = [
        (name, tuple(p.shape), str(p.dtype), p.stride(), p.requires_grad) for name, p in model.named_parameters()
    ]
    buffers = [(name, tuple(b.shape), str(b.dtype)) for name, b in model.named_buffers()]
    options = (wishes.passes, wishes.weighted, wishes.clip_norm, wishes.check_every, wishes.sparse_as_dense)
    form = fitting(wishes.wire, algorithm, wishes.among.size())
    return (repr(algorithm), f"wire={str(form)!r}", type(optimizer).__name__, options, *parameters, *buffers)


def equalise(tensors: Sequence[torch.Tensor], prefix: str, among: hvd.ProcessSet) -> None:
    """Every rank's become rank 0's, bit for bit, whatever their type. Collective."""
    sent = []
    for number, tensor in enumerate(tensors):
        data = tensor.detach()
        if not data.numel():
            continue
        elements = flat(data)
        bits = (data.contiguous().view(-1) if elements is None else elements).view(torch.uint8)
        with collectives.understood():
            handle = collectives.broadcast_async(bits, f"{prefix}begin.{number}", among)
        sent.append((handle, data if elements is None else None, bits))
    for handle, scattered, bits in sent:
        collectives.wait(handle)
        if scattered is not None:
            scattered.copy_(bits.view(scattered.dtype).view(scattered.shape))


def _equalise_state(optimizer: torch.optim.Optimizer, prefix: str, among: hvd.ProcessSet) -> None:
    """An optimizer that has been trained already goes on from rank 0's state."""
    if not any(collectives.gather(len(optimizer.state) > 0, f"{prefix}trained", among)):
        return
    file = io.BytesIO()
    if among.rank() == 0:
        torch.save(optimizer.state_dict(), file)
    size = torch.tensor([len(file.getvalue())])
    length = collectives.broadcast(size, f"{prefix}state.length", among)
    content = torch.zeros(int(length), dtype=torch.uint8)
    if among.rank() == 0:
        content.copy_(torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8))
    collectives.broadcast(content, f"{prefix}state", among)
    if among.rank() != 0:
        optimizer.load_state_dict(torch.load(io.BytesIO(content.numpy().tobytes()), weights_only=True))
