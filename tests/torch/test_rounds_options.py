"""The options of one worker's optimizer, as another worker's takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from algorithms.torch.rounds import options


def sgd(**given: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.ones(2))], **given)


def adamw(**given: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW([nn.Parameter(torch.ones(2))], **given)


def known(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    return {key: value for key, value in optimizer.param_groups[0].items() if key != "params"}


@pytest.mark.parametrize(
    ("taken", "given"),
    [
        (sgd(lr=1), sgd(lr=0.5)),
        (sgd(lr=0.5), sgd(lr=1)),
        (sgd(lr=0.1), sgd(lr=0.1, momentum=0.9, weight_decay=0.01)),  # which torch makes 0 where nothing is said
        (adamw(), adamw(foreach=True)),
        (adamw(foreach=True, fused=False), adamw(lr=0.25, maximize=True)),
        (adamw(betas=(0.5, 0.75)), adamw(betas=(0.0, 0.5), amsgrad=True)),
        (sgd(lr=0.1), sgd(lr=np.float32(0.25))),
    ],
    ids=lambda value: str(known(value)),
)
def test_they_arrive_as_they_are(taken: torch.optim.Optimizer, given: torch.optim.Optimizer) -> None:
    options.write(taken, options.read(given))
    assert known(taken) == known(given)
    assert [type(value) for value in known(taken).values() if isinstance(value, bool | None)] == [
        type(value) for value in known(given).values() if isinstance(value, bool | None)
    ]


def test_a_rate_in_a_tensor_stays_in_it() -> None:
    rate = torch.tensor(0.5)
    taken = adamw(lr=rate, capturable=True, foreach=False)
    options.write(taken, options.read(adamw(lr=0.25)))
    assert taken.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25


def test_their_mark_tells_what_differs() -> None:
    marks = [options.mark(options.read(sgd(lr=0.5, foreach=foreach))) for foreach in (None, False, True, None)]
    assert len(set(marks)) == 3
    assert marks[0] == marks[3]


def test_another_arrangement_of_groups_is_refused() -> None:
    two = torch.optim.SGD(
        [{"params": [nn.Parameter(torch.ones(2))]}, {"params": [nn.Parameter(torch.ones(1))]}], lr=0.1
    )
    with pytest.raises(ValueError, match="group 1: dampening"):
        options.read(sgd(lr=0.1), options.places(two))
    with pytest.raises(ValueError, match="group 0: amsgrad"):
        options.read(sgd(lr=0.1), options.places(adamw()))
