"""What ranks say of a step survives its way: cast to the gradients' type, averaged, and multiplied again."""

from __future__ import annotations

import pytest
import torch

from algorithms.torch.exchange.header import Answer, Fault, Header, kind_of_header, length
from algorithms.torch.exchange.history import LARGEST

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7, 96, 1000])
def test_an_average_tells_what_every_rank_has_said(workers: int, dtype: torch.dtype) -> None:
    said = [
        Header(
            fault=list(Fault)[rank % len(Fault)],
            weight=float(rank % 37),
            present=[rank == workers - 1, False, True],
            here=rank != 0,
            history=LARGEST - 1 - rank,
        )
        for rank in range(workers)
    ]
    words = torch.stack([header.encode(rank, workers, dtype) for rank, header in enumerate(said)])
    assert words.shape == (workers, length(workers, 3))
    answer = Answer.decode(words.mean(dim=0), workers)
    assert answer.faults == tuple(header.fault for header in said)
    assert answer.here == workers - 1
    assert answer.histories == tuple(header.history for header in said)
    assert answer.weight == pytest.approx(sum(header.weight for header in said), rel=1e-6)
    assert answer.present == (True, False, True)


def test_it_is_of_the_gradients_type_where_that_can_hold_it() -> None:
    def kind(*dtypes: torch.dtype) -> tuple[torch.dtype, torch.device]:
        return kind_of_header([torch.zeros(1, dtype=dtype) for dtype in dtypes])

    assert kind(torch.float32, torch.float32) == (torch.float32, CPU)
    for others in ((torch.float64,), (torch.float32, torch.float64), (torch.bfloat16,), (torch.complex64,)):
        assert kind(*others) == (torch.float64, CPU)
