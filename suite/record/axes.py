"""The one table of axes: along what the runs of an experiment differ, and what is made of that by whoever reads.

`Labels` is the table, a row an axis, in the order in which people read them: its name, the type and default of its label,
and in `Axis` how it is written and sorted, and whether it may be averaged over. Experiment files and `--only` ask for
these names, records keep the labels, tables and charts take their columns, sentences and order from here. How an
experiment file writes an axis, and what it means for a run, says `suite.experiment.axes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Annotated, Any, Self

from suite.record.part import Part
from suite.record.specification import Specification


class Use(Enum):
    """What a reader does with runs that differ along an axis."""

    SETTING = "never puts them together: algorithms are compared where it is equal"
    CONTENDER = "compares them"
    TUNED = "takes the best for each contender"
    AVERAGED = "averages over them"


@dataclass(frozen=True)
class Axis:
    """A row: what its use is, what a specification says along it, how its labels are written and sorted."""

    use: Use
    of: Callable[[Specification], Any]
    renamed: bool = False  # an experiment may have a label of its own for it
    rare: bool = False  # where nobody has chosen anything along it, nothing is said of it
    words: Mapping[str, str] | None = None  # of labels that people spell in another way
    phrase: Callable[[Any, str], str] = lambda value, text: text  # a label, and its words, within a sentence
    order: Callable[[Any], Any] = lambda value: value

    def text(self, value: Any) -> str:
        written = f"{value:g}" if isinstance(value, float) else str(value)
        return (self.words or {}).get(written, written)

    def said(self, value: Any) -> str:
        return self.phrase(value, self.text(value))


def _rate(network: str) -> tuple[float, str]:
    """From slow to fast, by the first number of the label."""
    digits = "".join(letter if letter.isdigit() or letter == "." else " " for letter in network).split()
    return (float(digits[0]) if digits and digits[0].count(".") <= 1 and digits[0] != "." else 0.0, network)


def _net(value: Any, text: str) -> str:
    """`lenet at 28 x 28, 1/4 of its width` for `lenet(image=28, width=0.25)`; what it does not know it leaves as it is."""
    name, _, options = text.partition("(")
    said = dict(part.split("=", 1) for part in options.rstrip(")").split(", ") if "=" in part)
    if not said or set(said) - {"image", "width", "dropout"} or float(said.get("dropout", 0)):
        return text
    words = [f"{name} at {said['image']} × {said['image']}" if "image" in said else name]
    words += [f"{Fraction(said['width']).limit_denominator(64)} of its width"] if "width" in said else []
    words += ["without dropout"] if "dropout" in said else []
    return ", ".join(words)


def none_first(label: str) -> tuple[bool, str]:
    return (label != "none", label)


class Labels(Part):
    """What the experiment calls the run along each axis; readers group and draw by these."""

    framework: Annotated[
        str,
        Axis(
            Use.SETTING,
            lambda run: run.framework,
            words={"torch": "PyTorch", "tensorflow": "TensorFlow"},
            order=lambda label: (label != "torch", label),
        ),
    ]
    model: Annotated[str, Axis(Use.SETTING, lambda run: run.model.name, renamed=True, phrase=_net)]
    algorithm: Annotated[str, Axis(Use.CONTENDER, lambda run: run.algorithm.name, renamed=True)]
    wire: Annotated[str, Axis(Use.CONTENDER, lambda run: run.form, order=none_first)] = "none"
    workers: Annotated[
        int,
        Axis(
            Use.SETTING,
            lambda run: run.workers,
            phrase=lambda value, text: f"{text} worker{'s' if value != 1 else ''}",
        ),
    ]
    network: Annotated[
        str,
        Axis(Use.SETTING, lambda run: run.network.describe(run.workers), renamed=True, order=_rate),
    ]
    straggler: Annotated[
        str,
        Axis(
            Use.SETTING,
            lambda run: run.straggler or "none",
            phrase=lambda value, text: "no straggler" if value == "none" else text,
            order=none_first,
        ),
    ]
    faults: Annotated[
        str,
        Axis(
            Use.SETTING,
            lambda run: run.faults or "none",
            rare=True,
            phrase=lambda value, text: "" if value == "none" else text,
            order=none_first,
        ),
    ] = "none"
    learning_rate: Annotated[
        float,
        Axis(Use.TUNED, lambda run: run.optimizer.learning_rate, phrase=lambda value, text: f"learning rate {text}"),
    ] = 0.0
    seed: Annotated[int, Axis(Use.AVERAGED, lambda run: run.seed, phrase=lambda value, text: f"seed {text}")]

    @classmethod
    def of(cls, specification: Specification, **named: str) -> Labels:
        """What a specification is called along each axis, but for what is `named` otherwise."""
        return cls(**({name: axis.of(specification) for name, axis in AXES.items()} | named))

    def without(self, *uses: Use) -> Self:
        """With nothing said along axes of these uses: equal for runs that differ in them only."""
        return self.less(axes(*uses))

    def less(self, names: Iterable[str]) -> Self:
        """With nothing said along these axes."""
        return self.model_copy(update={name: type(getattr(self, name))() for name in names})

    def only(self, *uses: Use) -> tuple[Any, ...]:
        """What is said along axes of these uses."""
        return tuple(getattr(self, name) for name in axes(*uses))

    @property
    def contender(self) -> str:
        """What is compared: the algorithm, with the form in which its numbers travel where that is not as they are."""
        return self.algorithm if self.wire in ("none", "") else f"{self.algorithm} in {self.wire}"


AXES: Mapping[str, Axis] = {
    name: axis for name, field in Labels.model_fields.items() for axis in field.metadata if isinstance(axis, Axis)
}


def axes(*uses: Use) -> tuple[str, ...]:
    return tuple(name for name, axis in AXES.items() if axis.use in uses)


# Contenders are shown as one: the algorithm, with its form.
SHOWN = tuple(name for name, axis in AXES.items() if axis.use is not Use.CONTENDER or name == "algorithm")


def shown_of(those: Iterable[Labels]) -> tuple[str, ...]:
    """What is shown of these runs."""
    chosen = {name for labels in those for name in SHOWN if getattr(labels, name) != Labels.model_fields[name].default}
    return tuple(name for name in SHOWN if name in chosen or not AXES[name].rare)


def shown(labels: Labels, name: str) -> Any:
    return labels.contender if AXES[name].use is Use.CONTENDER else getattr(labels, name)


def title(name: str) -> str:
    return name.replace("_", " ")


def numeric(name: str) -> bool:
    return Labels.model_fields[name].annotation in (int, float)


def sorted_by(labels: Labels, *uses: Use) -> tuple[Any, ...]:
    """What is a number changes last, so that the runs of one series stand together."""
    return tuple(AXES[name].order(getattr(labels, name)) for name in sorted(axes(*uses), key=numeric))
