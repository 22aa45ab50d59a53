"""The schema keeps what it is given, refuses what contradicts itself, and identities mean what they say."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from suite.cluster.emulated.network import EmulatedNetwork
from suite.record.outcome import Failed
from suite.record.rank import Steps
from suite.record.schema import Record
from suite.record.specification import Algorithm, Model, Replay, Specification
from tests.record.examples import record, specification


def test_a_record_survives_json_with_its_infinities():
    before = record(loss=math.nan)
    after = Record.model_validate_json(before.model_dump_json())
    assert math.isnan(after.ranks[0].steps.loss[0])
    assert after.model_dump_json() == before.model_dump_json()


def test_identity_depends_on_every_choice_and_on_nothing_else():
    one = specification()
    assert one.identity == Specification.model_validate_json(one.canonical()).identity
    others = [
        specification(seed=1),
        specification(workers=4),
        specification(algorithm=Algorithm(name="delayed", options={"steps": 1})),
        specification(model=Model(name="alexnet", replay=Replay(profile="p", digest="0"))),
        specification(network=EmulatedNetwork(hosts=2, rate_mbit=400)),
        specification(straggler="lognormal:sigma=1"),
    ]
    assert len({one.identity, *(other.identity for other in others)}) == 1 + len(others)


def test_replayed_or_shaped_is_never_called_measured():
    assert specification().kind == "measured"
    assert specification(network=EmulatedNetwork(hosts=2, rate_mbit=400)).kind == "emulated"
    replayed = specification(model=Model(name="alexnet", replay=Replay(profile="p", digest="0")))
    assert (replayed.kind, replayed.replayed) == ("emulated", True)


def test_columns_must_have_equal_length():
    with pytest.raises(ValidationError, match="column wait has 1 entries, seconds has 2"):
        Steps(started=(0, 1), seconds=(1, 1), loss=(0, 0), wait=(1,))


def test_a_record_of_another_specification_is_refused():
    with pytest.raises(ValidationError, match="identity is not the hash"):
        Record.model_validate(record().model_dump() | {"identity": "0" * 64})


def test_a_finished_run_needs_every_rank_and_a_failed_one_does_not():
    whole = record().model_dump()
    with pytest.raises(ValidationError, match="2 workers has 1 ranks"):
        Record.model_validate(whole | {"ranks": whole["ranks"][:1]})
    failed = Failed(reason="killed", message="rank 1 was killed", rank=1).model_dump()
    assert not Record.model_validate(whole | {"ranks": whole["ranks"][:1], "outcome": failed}).finished


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"workers": 3, "network": {"kind": "emulated", "hosts": 2, "rate_mbit": 400}},
            "multiple of the network's 2 hosts",
        ),
        ({"network": {"kind": "emulated"}}, "needs hosts and rate_mbit"),
        ({"network": {"rate_mbit": 400}}, "not one of kind 'local'"),
        ({"targets": [0.98, 0.9], "evaluate_every": 5}, "must ascend"),
        ({"targets": [0.9]}, "targets need evaluate_every"),
        ({"steps": 0}, "greater than or equal to 1"),
    ],
)
def test_impossible_specifications_are_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        Specification.model_validate(
            {"framework": "torch", "model": {"name": "a"}, "algorithm": {"name": "b"}} | fields
        )
