"""These programs run under horovodrun as the tests of `tests/parallel` do."""

from tests.parallel.conftest import (  # noqa: F401
    pytest_collection_modifyitems,
    pytest_generate_tests,
    pytest_runtest_protocol,
    pytest_sessionfinish,
    rank,
    ranks,
    tensorflow_job,
)
