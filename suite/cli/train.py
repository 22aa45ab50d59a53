"""`farandole train`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = (
    "Example: horovodrun -np 2 python -m suite train --framework torch --model alexnet --algorithm delayed --set steps=1 "
    "--batch-size 8 --steps 20 --data synthetic"
)


def train(
    framework: Annotated[str, typer.Option(help="torch or tensorflow.")] = "torch",
    model: Annotated[str, typer.Option(help="A net of `farandole list models`.")] = "alexnet",
    algorithm: Annotated[str, typer.Option(help="One of `farandole list algorithms`.")] = "synchronous",
    options: Annotated[
        list[str] | None, typer.Option("--set", help="Option of the algorithm, name=value; repeatable.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Samples per rank and step.")] = 8,
    steps: Annotated[int, typer.Option(help="Steps that count.")] = 20,
    warmup: Annotated[
        int | None, typer.Option(help="Steps before them; default: 5, or 0 in virtual time.", show_default=False)
    ] = None,
    data: Annotated[str, typer.Option(help="A data set of `farandole list data`.")] = "synthetic",
    data_folder: Annotated[
        str | None, typer.Option(help="Where the data set lies, if it does not come with us.")
    ] = None,
    data_options: Annotated[
        list[str] | None, typer.Option("--data-set", help="Option of the data set, name=value.")
    ] = None,
    image: Annotated[int | None, typer.Option(help="Side of the square input images; default: the net's own.")] = None,
    width: Annotated[float, typer.Option(help="Factor on the net's width.")] = 1.0,
    classes: Annotated[int | None, typer.Option(help="Answers of the net; default: its own, or the data's.")] = None,
    model_options: Annotated[
        list[str] | None, typer.Option("--model-set", help="Option of the net, name=value.")
    ] = None,
    replay: Annotated[str | None, typer.Option(help="Sleep the times of this profile instead of computing.")] = None,
    optimizer: Annotated[str, typer.Option(help="sgd, adam, adamw or rmsprop.")] = "sgd",
    learning_rate: Annotated[float, typer.Option()] = 0.01,
    momentum: Annotated[float, typer.Option()] = 0.0,
    weight_decay: Annotated[float, typer.Option()] = 0.0,
    evaluate_every: Annotated[int, typer.Option(help="Samples between evaluations; 0: none.")] = 0,
    evaluate_samples: Annotated[int | None, typer.Option(help="Held-out samples of one; default: all.")] = None,
    target: Annotated[list[float] | None, typer.Option(help="Test accuracy to reach; repeatable.")] = None,
    wire: Annotated[
        str, typer.Option(help="Form in which numbers travel: none, fp16, int16 or powersgd:rank=4.")
    ] = "none",
    straggler: Annotated[str, typer.Option(help="For example lognormal:sigma=1,rank=1")] = "none",
    steps_per_execution: Annotated[int, typer.Option(help="TensorFlow: steps in one traced function.")] = 1,
    agreement_every: Annotated[int, typer.Option(help="Steps between checks that replicas agree; 0: off.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or gpu.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Compute threads per rank.")] = 1,
    seed: Annotated[int, typer.Option()] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Rank 0 prints its samples (--virtual: the record) as one JSON object.")
    ] = False,
    virtual: Annotated[
        int | None, typer.Option(metavar="N", help="Train N workers in this process, in virtual time.")
    ] = None,
    compute: Annotated[
        float | None, typer.Option(help="--virtual: seconds of a step; default: as a worker of 100 GFLOP/s.")
    ] = None,
    gbit: Annotated[
        float | None, typer.Option(help="--virtual: rate of each worker's link; inf is no limit. Default: 10.")
    ] = None,
    latency_us: Annotated[float | None, typer.Option(help="--virtual: of one message. Default: 30.")] = None,
    processes: Annotated[
        int | None, typer.Option(help="--virtual: that compute gradients; changes no bit. Default: as is worth it.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="--virtual: written twice a minute; if it is there, the run goes on from it.")
    ] = None,
    records: Annotated[Path | None, typer.Option(help="--virtual: a folder of records to add to.")] = None,
) -> int:
    """Train on the ranks that a launcher started (or on one). Rank 0 shows progress and a summary of its own steps.

    --virtual N trains N workers in this process: real gradients, virtual time, a record of kind simulated.
    """
    from suite.cli import rank_of_job, specify
    from suite.cli.errors import BadInputError

    given = {
        "--compute": compute,
        "--gbit": gbit,
        "--latency-us": latency_us,
        "--processes": processes,
        "--checkpoint": checkpoint,
        "--records": records,
    }
    for name, value in given.items():
        if virtual is None and value is not None:
            raise BadInputError(f"{name} {value}: for --virtual only")
        if isinstance(value, int | float) and not (value > 0 or (name == "--latency-us" and value == 0)):
            raise BadInputError(f"{name} {value}: must be above 0")

    wanted = specify.Wanted(
        framework=framework,
        model=model,
        algorithm=algorithm,
        options=options or (),
        model_options=model_options or (),
        image=image,
        width=width,
        classes=classes,
        replay=replay,
        data=data,
        data_folder=data_folder,
        data_options=data_options or (),
        optimizer=optimizer,
        learning_rate=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        batch_size=batch_size,
        steps=steps,
        warmup=warmup,
        evaluate_every=evaluate_every,
        evaluate_samples=evaluate_samples,
        targets=target or (),
        wire=wire,
        straggler=straggler,
        steps_per_execution=steps_per_execution,
        agreement_every=agreement_every,
        device=device,
        threads=threads,
        seed=seed,
        virtual=None
        if virtual is None
        else specify.Virtual(
            compute=compute,
            gbit=10.0 if gbit is None else gbit,
            latency_us=30.0 if latency_us is None else latency_us,
        ),
    )
    if virtual is not None:
        from suite.cli import virtual_run

        if virtual < 1:
            raise BadInputError(f"--virtual {virtual}: must be at least 1")
        return virtual_run.run(
            specify.specification(wanted, virtual),
            as_json=as_json,
            records=records,
            processes=processes,
            checkpoint=checkpoint,
        )
    return rank_of_job.run(specify.specification(wanted, specify.ranks_of_this_job()), as_json=as_json)
