"""The fingerprint of the host that a rank runs on, as records keep it."""

from __future__ import annotations

from dataclasses import asdict

from suite.cluster import fingerprint
from suite.record.host import Host


def host_of_this_rank(horovod: fingerprint.LoadedHorovod | None) -> Host:
    """`horovod`: the loaded module, which knows what was built into it; None where a run does without."""
    taken = fingerprint.take(horovod)
    return Host.model_validate(asdict(taken) | {"ranks": (), "digest": taken.digest})
