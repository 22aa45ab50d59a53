"""Emulated hosts need namespaces; where the system forbids them the tests that use them are skipped, saying why."""

import pytest

from suite.cluster import ClusterUnavailableError, Emulated


@pytest.fixture(scope="session")
def _why_no_namespaces() -> str | None:
    try:
        with Emulated(hosts=1):
            return None
    except ClusterUnavailableError as error:
        return str(error)


@pytest.fixture
def namespaces(_why_no_namespaces: str | None) -> None:
    if _why_no_namespaces:
        pytest.skip(f"no emulated hosts here: {_why_no_namespaces}")
