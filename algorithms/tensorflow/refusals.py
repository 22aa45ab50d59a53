"""What an algorithm cannot do here, or cannot do with what the Keras optimizer was told: refused, with what to use.

Whatever the optimizer does to the gradients that it is given goes on where the optimizer stands: on every rank alike to the
average, at the centre to what a round has brought together, or on a worker's own copy to its own gradient.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import horovod.tensorflow as hvd
import keras
import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from algorithms.contract import Algorithm, Exchange, Place, Reads, Reduction, Role, Rounds
from algorithms.mechanisms.process_sets import NO_ADASUM, NO_CONTROL, refuse_set
from algorithms.mechanisms.refusals import refuse_unfit_rounds
from algorithms.mechanisms.validation import flag, optional_real, whole
from algorithms.tensorflow.scaling import innermost

# Keras reads these from the optimizer that makes the updates; on the wrapper they would change nothing.
INSIDE = frozenset(
    {
        "clipnorm",
        "clipvalue",
        "ema_momentum",
        "ema_overwrite_frequency",
        "global_clipnorm",
        "gradient_accumulation_steps",
        "use_ema",
        "weight_decay",
    }
)


def refuse_unwrappable(optimizer: Any, algorithm: Any, *, passes: int, weighted: bool, among: hvd.ProcessSet) -> None:
    """Raise ValueError for what cannot be wrapped, or not with these wishes."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"Keras runs on {keras.backend.backend()!r}: must be 'tensorflow' (KERAS_BACKEND)")
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ValueError(f"optimizer={optimizer!r}: must be a Keras 3 optimizer object")
    if hasattr(optimizer, "inner_optimizer") and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError("optimizer is a DistributedOptimizer already: wrap once")
    if optimizer.built:
        raise ValueError(f"optimizer {optimizer.name!r} is built already: wrap it before its first use")
    if not isinstance(algorithm, Algorithm):
        raise ValueError(f"algorithm={algorithm!r}: must be one of algorithms.CATALOGUE, as an object")
    if algorithm.virtual_only:
        raise ValueError(f"algorithm={algorithm.name!r}: runs in algorithms.virtual only")
    if not hvd.is_initialized():
        raise ValueError("call horovod.tensorflow.init() before wrapping an optimizer")
    refuse_set(among, hvd.global_process_set, hvd.rank())
    if among is not hvd.global_process_set and algorithm.role is Role.CONTROL:
        raise ValueError(NO_CONTROL)
    if (
        among is not hvd.global_process_set
        and isinstance(algorithm, Rounds)
        and algorithm.reduction is Reduction.ADASUM
    ):
        raise ValueError(NO_ADASUM)
    algorithm.check(among.size())
    whole("passes", passes, 1)
    flag("weighted", weighted)
    if weighted and algorithm.role is Role.CONTROL:
        raise ValueError("weighted=True: stock Horovod averages ranks, not samples; use Synchronous(overlap=True)")


def refuse_outside(name: str, value: Any) -> None:
    """Raise ValueError for what is set on the wrapper and belongs on the optimizer that it wraps."""
    # Not in the property's setter: Keras leaves out assignments that would change nothing.
    if name == "loss_scale_factor":
        raise ValueError(
            "The loss scale belongs inside, where all ranks see the same gradients: use "
            "DistributedOptimizer(keras.optimizers.LossScaleOptimizer(...), ...) and, with a mixed_float16 policy, "
            "model.compile(..., auto_scale_loss=False)"
        )
    if name in INSIDE:
        raise ValueError(
            f"{name}={value!r}: set it on the optimizer that is wrapped, as in "
            f"DistributedOptimizer(keras.optimizers.SGD(..., {name}={value!r}), ...); here it would change nothing"
        )


def clip_average(optimizer: keras.optimizers.Optimizer, algorithm: Algorithm, clip_norm: float) -> None:
    """Let the user's optimizer clip what it is given, which has to be an average. Every layer waits for the norm of all."""
    optional_real("clip_norm", clip_norm, 0, low_allowed=False)
    if isinstance(algorithm, Rounds) and algorithm.optimizer_at is Place.WORKER:
        raise ValueError(
            f"clip_norm={clip_norm}: {algorithm.name} never averages gradients; clip each worker's with "
            f"global_clipnorm={clip_norm} of the optimizer that is wrapped"
        )
    inner = innermost(optimizer)
    for name in ("clipnorm", "clipvalue", "global_clipnorm"):
        if getattr(inner, name) is not None:
            raise ValueError(
                f"clip_norm={clip_norm}: the optimizer that is wrapped has {name} already; use one of them"
            )
    inner.global_clipnorm = clip_norm


def refuse_unkept(optimizer: keras.optimizers.Optimizer, algorithm: Algorithm) -> None:
    """Raise ValueError for arguments of the user's optimizer that would mean something else with this algorithm."""
    if isinstance(algorithm, Exchange):
        return
    assert isinstance(algorithm, Rounds)
    centred = algorithm.optimizer_at is Place.CENTRE
    if centred and isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            "a LossScaleOptimizer changes its scale between a gradient and its round: use loss_scale_factor, which stays"
        )
    inner = innermost(optimizer)
    if inner.use_ema:
        instead = f"use {type(algorithm).__name__}(averaging={inner.ema_momentum}) and " if centred else "use "
        raise ValueError(
            f"use_ema=True: must be False with {algorithm.name}, whose workers do not hold what the average is taken of; "
            f"{instead}evaluation()"
        )
    steps = inner.gradient_accumulation_steps
    if steps and not centred and algorithm.local_reads is not None:
        raise ValueError(
            f"gradient_accumulation_steps={steps}: must be None with this {algorithm.name}, which goes on moving while "
            "gradients are added up; add them up before apply()"
        )


def inter_op_threads() -> int:
    """How many TensorFlow has: as it was told, or one for each core that this process may use."""
    told = tf.config.threading.get_inter_op_parallelism_threads() or os.environ.get("TF_NUM_INTEROP_THREADS", "")
    return int(told) if str(told).isdigit() and int(told) else len(os.sched_getaffinity(0))


def refuse_unfit(algorithm: Rounds, workers: int) -> None:
    """Raise ValueError for what the rounds of this binding cannot do here."""
    refuse_unfit_rounds(
        algorithm,
        workers=workers,
        mpi=hvd.mpi_enabled(),
        unseen=Reads.BEFORE | Reads.CENTRE | Reads.ROUND,
        because="which a traced step of TensorFlow does not see",
    )
    if algorithm.gives_up:
        raise ValueError(
            "give_up=True: must be False in TensorFlow, whose traced step runs to its end once it has begun; "
            "PyTorch can leave a step"
        )
    threads = inter_op_threads()
    if threads < 2:
        raise ValueError(
            f"algorithm={algorithm.name!r}: waiting for a round takes one of TensorFlow's {threads} inter-op threads and "
            "the round itself another: tf.config.threading.set_inter_op_parallelism_threads(4), before anything else"
        )


def refuse_xla() -> None:
    """While a step is traced."""
    graph = tf.compat.v1.get_default_graph()
    if not tf.executing_eagerly() and control_flow_util.GraphOrParentsInXlaContext(graph):
        raise ValueError("jit_compile=True: Horovod's XLA ops are not built; compile with jit_compile=False")


def refuse_strangers(gradients: Sequence[Any], variables: Sequence[Any], strangers: Sequence[str]) -> None:
    """Gradients that are not one for each of `variables`, and variables that the optimizer was not built for, by path."""
    if len(gradients) != len(variables):
        raise ValueError(f"{len(gradients)} gradients for {len(variables)} variables: must be as many")
    if strangers:
        raise ValueError(
            f"Variables created, or made trainable, after the optimizer was built: {', '.join(strangers)}. Create all "
            "variables first, then wrap a new optimizer"
        )
