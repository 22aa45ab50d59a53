"""What a reader calls an algorithm, a network, a straggler: words instead of options. The options are one hover away."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from suite.record.axes import AXES
from suite.record.schema import Record
from suite.record.specification import Algorithm

NAMES = {
    "no_communication": "no communication",
    "stock_horovod": "stock Horovod",
    "torch_ddp": "PyTorch DDP",
    "bare": "one process alone",
    "layerwise": "layer-wise",
    "delayed": "delayed",
    "backup_workers": "backup workers",
    "elastic_averaging": "EASGD",
    "downpour": "DOWNPOUR",
    "local_sgd": "local SGD",
    "slowmo": "SlowMo",
    "diloco": "DiLoCo",
    "adasum": "Adasum",
    "admm": "ADMM",
}

# What options say; those that are not here, or None, say nothing unless the run's label does.
Phrase = Callable[[object], str | None]
PHRASES: Mapping[str, Phrase] = {
    "period": lambda value: "every step" if value == 1 else f"every {value} steps",
    "steps": lambda value: "not late" if value == 0 else f"{value} step{'s' * (value != 1)} late",
    "spares": lambda value: f"{value} spare",
    "gradients": lambda value: f"{value} gradients at a time",
    "give_up": lambda value: "late ones give up" if value else None,
    "asynchronous": lambda value: "nobody waits" if value else None,
    "staleness_scaling": lambda value: "scaled by age" if value else None,
    "compensation": lambda value: f"compensated by {value:g}" if value else None,
    "clip_norm": lambda value: None if value is None else "clipped",
    "max_staleness": lambda value: None if value is None else f"at most {value} rounds old",
    "bucket_mb": lambda value: f"buckets of {value} MB",
}
# Where the algorithm decides what an option says.
OWN: Mapping[tuple[str, str], Phrase] = {
    ("synchronous", "overlap"): lambda value: "overlapped" if value else None,
    ("elastic_averaging", "momentum"): lambda value: None,  # it has its own name then
    ("layerwise", "order"): lambda value: None if value == "forward" else f"{value} order",
}
MODELS = {"alexnet": "AlexNet", "googlenet": "GoogLeNet"}


def algorithm(record: Record) -> str:
    """`EASGD, every 10 steps`."""
    form = record.specification.form
    return called(record.specification.algorithm) + ("" if form == "none" else travelling(form))


def travelling(form: str) -> str:
    """What numbers travel in: `, in PowerSGD`."""
    return f", in {form.replace('powersgd', 'PowerSGD')}"


def called(asked: Algorithm) -> str:
    """Whatever its numbers travel in."""
    name = _family(asked)
    said = [_phrase(asked.name, key, value) for key, value in asked.options.items()]
    words = [name, *filter(None, said)]
    overlap = asked.options.get("overlap")
    if isinstance(overlap, int) and not isinstance(overlap, bool) and overlap:
        words.append(f"{overlap} of them hidden")
    return ", ".join(words)


def family(record: Record) -> str:
    """Without any option."""
    return _family(record.specification.algorithm)


def _family(asked: Algorithm) -> str:
    if asked.name == "elastic_averaging" and asked.options.get("momentum"):
        return "EAMSGD"
    return NAMES.get(asked.name, asked.name.replace("_", " "))


def model(record: Record) -> str:
    return net(record.specification.model.name, record.labels.model)


def net(name: str, label: str) -> str:
    """`AlexNet`; `AlexNet at 28 × 28, 1/16 of its width`."""
    first, space, rest = AXES["model"].said(label).partition(" ")
    return MODELS.get(name) or MODELS.get(first, first) + space + rest


def straggler(text: str) -> str:
    """`one worker 4 times slower`; as it stands where nobody has words for it."""
    kind, _, rest = text.partition(":")
    options = dict(re.findall(r"(\w+)=([^,]+)", rest))
    mean = options.get("mean", "").replace("x", " of a step") or "?"
    if kind == "none":
        return "no straggler"
    if kind == "constant" and {"factor", "rank"} <= set(options):
        return f"one worker {options['factor']} times slower"
    if kind == "bimodal" and {"probability", "slow"} <= set(options):
        return f"{float(options['probability']):.0%} of steps {options['slow'].rstrip('x')} times longer"
    if kind == "pause" and {"every", "length"} <= set(options):
        return f"one worker pauses {options['length'].rstrip('s')} s every {options['every']} steps"
    if kind in ("exponential", "pareto", "lognormal") and "mean" in options:
        return f"random delays ({kind}, mean {mean})"
    return text


def _phrase(name: str, key: str, value: object) -> str | None:
    say = OWN.get((name, key)) or PHRASES.get(key)
    return None if say is None else say(value)
