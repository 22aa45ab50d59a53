"""Says not on how many ranks it runs; run by tests/runner/test_parallel_runner.py, never by itself."""


def test_without_ranks() -> None:
    pass
