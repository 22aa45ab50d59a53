"""The manifest of `farandole command kubernetes` against the schema that the MPI operator publishes.

`mpijob-v2beta1.json.gz` is the schema of kubeflow/mpi-operator's manifests/base/kubeflow.org_mpijobs.yaml (caa3c47, July
2026, Apache 2.0) without its descriptions. Checked as an API server does with strict validation: no field that it does not
know, every one of the right kind.
"""

from __future__ import annotations

import copy
import gzip
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from suite.cluster.launchers import kubernetes

SCHEMA = json.loads(gzip.decompress((Path(__file__).parent / "mpijob-v2beta1.json.gz").read_bytes()))
KINDS = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def faults(value: Any, schema: Mapping[str, Any], place: str = "") -> Iterator[str]:
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, int | str):
            yield f"{place} is no number or text"
        return
    kind = KINDS[schema["type"]] if "type" in schema else object
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        yield f"{place} is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place} is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place} does not match {schema['pattern']}"
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from faults(item, schema["items"], f"{place}[{number}]")
    if isinstance(value, dict):
        yield from (f"{place}.{name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, item in value.items():
            known = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
            if known is not None:
                yield from faults(item, known, f"{place}.{name}")
            elif schema.get("properties"):
                yield f"{place}.{name} is unknown"


@pytest.fixture
def manifest() -> dict[str, Any]:
    text = kubernetes(2, 4, ["python", "-m", "suite"], {"OMP_NUM_THREADS": "1"}, image="registry/image:1", name="job")
    return dict(json.loads(text))


def test_the_operator_takes_the_manifest(manifest: dict[str, Any]) -> None:
    assert list(faults(manifest, SCHEMA)) == []


def test_the_check_finds_what_a_server_would(manifest: dict[str, Any]) -> None:
    wrong = copy.deepcopy(manifest)
    wrong["spec"]["slotsPerWorkers"] = 4
    wrong["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = "2"
    wrong["spec"]["runPolicy"]["cleanPodPolicy"] = True
    del wrong["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]["name"]
    del wrong["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]["env"][0]["name"]
    assert len(list(faults(wrong, SCHEMA))) == 5
