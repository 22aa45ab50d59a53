"""How long each layer of a net computed somewhere, and how large its parameters are: what a replayed net is made from."""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from suite.models.net import Net

SHIPPED = Path(__file__).parent / "profiles"

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LayerProfile(_Schema):
    """A layer with parameters, together with the layers without any that follow it."""

    name: str
    forward_seconds: Seconds
    backward_seconds: Seconds  # until the gradients of its parameters are ready
    parameters: tuple[tuple[str, tuple[Count, ...]], ...]

    @property
    def size(self) -> int:
        return sum(math.prod(shape) for _, shape in self.parameters)


class Profile(_Schema):
    """A recorded step, one layer after another in forward order; what was done to it since is kept beside it."""

    model: str
    machine: str  # where it was recorded
    framework: Literal["torch", "tensorflow"]
    batch: Count
    input_shape: tuple[Count, ...]
    inputs: Literal["image", "tokens"] = "image"
    classes: Count
    layers: tuple[LayerProfile, ...] = Field(min_length=1)
    size_factor: float = Field(default=1.0, gt=0)  # parameters now / parameters recorded
    retimed: bool = False  # the seconds are no longer the recorded ones

    @property
    def forward_seconds(self) -> float:
        return sum(layer.forward_seconds for layer in self.layers)

    @property
    def backward_seconds(self) -> float:
        return sum(layer.backward_seconds for layer in self.layers)

    @property
    def parameter_count(self) -> int:
        return sum(layer.size for layer in self.layers)

    def scaled(self, size: float = 1.0, time: float = 1.0) -> "Profile":
        """Every parameter `size` times as large, every duration `time` times as long.

        Of a matrix, so many rows are left, so that it is one, where their number comes out; else it becomes flat.
        """
        for name, factor in (("size", size), ("time", time)):
            if not (factor > 0 and math.isfinite(factor)):
                raise ValueError(f"{name} factor {factor} is not a number greater than 0")
        profile = self._timed(time, time) if time != 1 else self
        if size == 1:
            return profile
        layers = tuple(
            layer.model_copy(
                update={"parameters": tuple((name, _scaled(shape, size)) for name, shape in layer.parameters)}
            )
            for layer in profile.layers
        )
        return profile.model_copy(update={"layers": layers, "size_factor": self.size_factor * size})

    def lasting(self, forward: float, backward: float) -> "Profile":
        """The same shares of the layers, in this many seconds altogether."""
        for name, seconds, now in (
            ("forward", forward, self.forward_seconds),
            ("backward", backward, self.backward_seconds),
        ):
            if not (seconds >= 0 and math.isfinite(seconds)):
                raise ValueError(f"{name} seconds {seconds} are not a number of at least 0")
            if now == 0:
                raise ValueError(f"profile of {self.model} has no {name} seconds to share out")
        return self._timed(forward / self.forward_seconds, backward / self.backward_seconds)

    def _timed(self, forward: float, backward: float) -> "Profile":
        """Every layer's seconds times these factors."""
        layers = tuple(
            layer.model_copy(
                update={
                    "forward_seconds": layer.forward_seconds * forward,
                    "backward_seconds": layer.backward_seconds * backward,
                }
            )
            for layer in self.layers
        )
        return self.model_copy(update={"layers": layers, "retimed": True})

    def require(self, net: Net) -> None:
        """Refuse to stand for another net than the recorded one."""
        recorded = {f"{layer.name}.{name}": shape for layer in self.layers for name, shape in layer.parameters}
        expected = {parameter.name: parameter.shape for parameter in net.parameters}
        if self.model != net.name:
            raise ValueError(f"profile is of model {self.model!r}, expected {net.name!r}")
        if self.size_factor == 1 and recorded != expected:
            different = sorted(name for name in recorded | expected if recorded.get(name) != expected.get(name))
            name = different[0]
            raise ValueError(
                f"profile is of another {self.model}: {len(different)} parameters differ, first {name}, "
                f"{recorded.get(name, 'missing')} instead of {expected.get(name, 'none')}"
            )

    def save(self, path: Path) -> None:
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Profile:
    """The profile in this file, or a ValueError that names the file and what is wrong with it."""
    try:
        return Profile.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"profile {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"profile {path} is not text") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise ValueError(f"profile {path}: {where}: {first['msg']}") from None


def shipped() -> tuple[str, ...]:
    """Names of the profiles that come with the suite, such as alexnet-torch-cpu."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.json")))


def find(name_or_path: str) -> Profile:
    """A shipped profile by name, or any profile by its path."""
    if name_or_path in shipped():
        return load(SHIPPED / f"{name_or_path}.json")
    path = Path(name_or_path)
    if not path.exists():
        raise ValueError(f"no profile {name_or_path!r}: neither a file nor one of {', '.join(shipped())}")
    return load(path)


def find_for(name_or_path: str, net: Net) -> Profile:
    """As `find`, and refused, naming the file, where it was recorded with another net."""
    profile = find(name_or_path)
    try:
        profile.require(net)
    except ValueError as error:
        raise ValueError(f"{name_or_path}: {error}") from None
    return profile


def _scaled(shape: tuple[int, ...], factor: float) -> tuple[int, ...]:
    rows = shape[0] * factor if shape else 0.0
    if rows >= 1 and rows == int(rows):
        return (int(rows), *shape[1:])
    return (max(1, round(math.prod(shape) * factor)),)
