"""Which runs may be averaged together says one place: the record."""

from __future__ import annotations

from tests.record.examples import record


def test_a_trace_and_a_bit_of_memory_make_no_other_environment() -> None:
    plain = record()
    (host,) = plain.hosts
    settings = host.horovod | {"HOROVOD_TIMELINE": "/somewhere"}
    traced = host.model_copy(update={"horovod": settings, "memory_bytes": host.memory_bytes + 1024, "digest": "other"})
    assert plain.model_copy(update={"hosts": (traced,)}).environment == plain.environment
    other = host.model_copy(update={"cpu": "another"})
    assert plain.model_copy(update={"hosts": (other,)}).environment != plain.environment


def test_where_no_host_could_say_there_is_no_environment() -> None:
    assert record().model_copy(update={"hosts": ()}).environment == ""
