"""Whether a specification can be trained in virtual time, and what the virtual cluster takes for its parts."""

from __future__ import annotations

from typing import Any

import algorithms
from algorithms.contract import Rounds
from algorithms.virtual import SGD, AdamW, RMSProp
from algorithms.virtual.optimizers import Scheduled
from suite.experiment.live import Live
from suite.record.specification import Optimizer
from suite.training import learning_rates


def refuse_what_has_no_virtual_form(live: Live) -> None:
    """One line for what only real ranks have."""
    asked = live.specification
    if asked.framework != "torch":
        raise ValueError(f"framework {asked.framework!r} has no virtual form: virtual workers compute with torch")
    if asked.model.replay is not None:
        raise ValueError("replay has no virtual form: give the virtual network compute_seconds (--compute)")
    if asked.algorithm.name not in algorithms.CATALOGUE:
        raise ValueError(f"algorithm {asked.algorithm.name!r} is a control of real runs and has no virtual form")
    for name, value, default in (
        ("steps_per_execution", asked.steps_per_execution, 1),
        ("agreement_every", asked.agreement_every, 0),
        ("measure_memory", asked.measure_memory, None),
        ("horovod.cycle_time_ms", asked.horovod.cycle_time_ms, None),
        ("horovod.fusion_mb", asked.horovod.fusion_mb, None),
    ):
        if value != default:
            raise ValueError(f"{name} = {value!r} has no virtual form: leave it out")
    made = optimizer_of(asked.optimizer)
    if live.algorithm.virtual_only and not (isinstance(made, SGD) and not made.momentum):
        raise ValueError(
            f"algorithm {live.algorithm.name!r} holds plain SGD: leave out momentum, schedule and other optimizers"
        )


def refuse_too_many_workers(workers: int, samples: int) -> None:
    if workers > samples:
        raise ValueError(f"workers = {workers}: more than the {samples} samples of the training data")


def arrivals_of(algorithm: Any) -> str:
    """ADMM, the one algorithm that is virtual only, is defined for workers that take turns."""
    return "round_robin" if algorithm.virtual_only else "time"


def goes_free(algorithm: Any, workers: int) -> bool:
    """Whether fast workers take more steps than slow ones: training ends when all together have taken theirs."""
    return (
        isinstance(algorithm, Rounds)
        and algorithm.quorum(workers) < workers
        and not (algorithm.tagged or algorithm.virtual_only)
    )


def optimizer_of(chosen: Optimizer) -> SGD | AdamW | RMSProp | Scheduled:
    """The same update as `torch.optim`'s of that name."""
    options: dict[str, Any] = dict(chosen.options)
    plain = _plain(chosen, options)
    if options:
        raise ValueError(f"optimizer {chosen.name}: option {next(iter(options))!r} has no virtual form")
    rule = chosen.schedule
    if rule.rule == "constant":
        return plain
    return Scheduled(optimizer=plain, rate_at=learning_rates.parse(rule.rule, chosen.learning_rate, rule.options).at)


def _plain(chosen: Optimizer, options: dict[str, Any]) -> SGD | AdamW | RMSProp:
    rate = chosen.learning_rate
    if chosen.name == "sgd":
        return SGD(
            learning_rate=rate,
            momentum=chosen.momentum,
            nesterov=chosen.nesterov,
            weight_decay=chosen.weight_decay,
        )
    if chosen.weight_decay and chosen.name != "adamw":
        raise ValueError(f"weight_decay with {chosen.name} has no virtual form: use sgd or adamw")
    if chosen.name == "rmsprop":
        return RMSProp(
            learning_rate=rate,
            decay=options.pop("alpha", 0.99),
            momentum=chosen.momentum,
            epsilon=options.pop("eps", 1e-8),
        )
    betas = options.pop("betas", (0.9, 0.999))
    return AdamW(
        learning_rate=rate,
        betas=(betas[0], betas[1]),
        epsilon=options.pop("eps", 1e-8),
        weight_decay=chosen.weight_decay,
    )
