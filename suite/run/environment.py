"""The fingerprint of the host a rank runs on, as records keep it."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version

import psutil

from suite.run.record import Host

PACKAGES = {"torch": ("torch", "horovod", "numpy"), "tensorflow": ("tensorflow-cpu", "keras", "horovod", "numpy")}


def host_of_this_rank(framework: str) -> Host:
    versions = {}
    for package in PACKAGES[framework]:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    cores = psutil.cpu_count() or 1
    memory = psutil.virtual_memory().total
    text = f"{platform.processor()} {cores} {versions} {platform.python_version()}"
    return Host(
        name=platform.node(),
        ranks=(),
        cpu=platform.processor() or platform.machine(),
        cores=cores,
        memory_bytes=memory,
        system=platform.platform(),
        python=platform.python_version(),
        versions=versions,
        digest=hashlib.sha256(text.encode()).hexdigest()[:16],
    )
