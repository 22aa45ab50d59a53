"""`farandole profile`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from suite.cli.errors import OK, BadInputError, input_errors
from suite.cli.options import one_of, settings

EXAMPLE = "Example: farandole profile alexnet --framework torch --batch-size 8 --out alexnet-torch.json"
DEVICES = ("auto", "cpu", "gpu")
PRECISIONS = {"auto": None, "fp32": False, "tf32": True}


def profile(
    model: Annotated[str, typer.Argument(help="A net of `farandole list models`.")],
    framework: Annotated[str, typer.Option(help="torch or tensorflow.")] = "torch",
    batch_size: Annotated[int, typer.Option(help="Samples per step.")] = 8,
    repeats: Annotated[int, typer.Option(help="Steps that are timed; the medians are kept.")] = 5,
    image: Annotated[int | None, typer.Option(help="Side of the square input images; default: the net's own.")] = None,
    width: Annotated[float, typer.Option(help="Factor on the net's width.")] = 1.0,
    model_options: Annotated[
        list[str] | None, typer.Option("--model-set", help="Option of the net, name=value.")
    ] = None,
    device: Annotated[str, typer.Option(help="torch: auto (its GPU where it sees one), cpu or gpu.")] = "auto",
    precision: Annotated[str, typer.Option(help="torch on a GPU: auto (PyTorch's own choice), fp32 or tf32.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="The file to write; default: MODEL-FRAMEWORK.json here.")] = None,
) -> int:
    """Time each layer's forward and backward on this machine, for replay elsewhere."""
    from suite import models
    from suite.cli.specify import FRAMEWORKS
    from suite.models import recording

    one_of("model", model, models.NAMES)
    one_of("framework", framework, FRAMEWORKS)
    one_of("device", device, DEVICES)
    one_of("precision", precision, tuple(PRECISIONS))
    path = out or Path(f"{model}-{framework}.json")
    if not path.parent.is_dir():
        raise BadInputError(f"--out {path}: there is no folder {path.parent}")
    with input_errors():
        options: dict[str, Any] = dict(settings(model_options or (), "--model-set"))
        net = models.describe(model, image=image, width=width, **options)
        if batch_size < 1 or repeats < 1:
            raise ValueError(f"--batch-size {batch_size} --repeats {repeats}: must be at least 1")
        if framework != "torch" and (device, precision) != ("auto", "auto"):
            raise ValueError(f"--device {device} --precision {precision}: both are for --framework torch")
        found = recording.record(
            net,
            batch_size,
            framework,  # type: ignore[arg-type]  # checked above
            repeats=repeats,
            device=device,  # type: ignore[arg-type]  # checked above
            tf32=PRECISIONS[precision],
        )
    found.save(path)
    print(
        f"{path}: {model} on {found.machine}, batch {batch_size}: forward {found.forward_seconds:.4f} s, "
        f"backward {found.backward_seconds:.4f} s, {len(found.layers)} layers with parameters"
    )
    return OK
