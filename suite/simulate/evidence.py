"""What records say of how many samples an algorithm needs for an accuracy, beside synchronous training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median

from suite.record.schema import Record


def factors(records: Iterable[Record], model: str) -> dict[str, float]:
    """By algorithm, samples to the highest target that it and synchronous training both reached, as a ratio of medians."""
    samples: dict[tuple[str, float], list[int]] = defaultdict(list)
    for record in records:
        if record.specification.model.name == model and not record.replayed:
            for one in record.reached:
                samples[record.specification.algorithm.name, one.target].append(one.samples)
    found: dict[str, float] = {}
    for (name, target), mine in sorted(samples.items()):
        theirs = samples.get(("synchronous", target))
        if theirs:
            found[name] = median(mine) / median(theirs)  # the last, highest target stands
    return found


def sentence(found: dict[str, float], model: str, otherwise: str) -> str:
    """What comes before anything else."""
    if not found:
        return otherwise
    parts = ", ".join(f"{name} {factor:.2g} x" for name, factor in sorted(found.items(), key=lambda one: one[1]))
    return (
        f"Samples to the same accuracy as synchronous training, measured with {model}: {parts}. The rest is not known."
    )
