"""Tests in this folder run under `horovodrun -np N`; see README.md beside this file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parallel.runner import parent
from tests.parallel.runner.rank import own_rank


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="where the nets of PyTorch's trajectories lie: cpu or cuda")


def pytest_configure(config: pytest.Config) -> None:
    device = config.getoption("--device", default="cpu")
    if device != "cpu" and parent.is_rank(config):
        import torch

        from tests.parallel import torch_nets

        torch.use_deterministic_algorithms(True)  # the tests compare bit for bit
        torch_nets.DEVICE = f"{device}:{own_rank() % torch.cuda.device_count()}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    counts, _, _ = parent.marked_ranks(metafunc)
    if "ranks" not in metafunc.fixturenames:
        metafunc.fixturenames.append("ranks")
    metafunc.parametrize("ranks", counts, ids=list(parent.names(counts)), indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    if not parent.is_rank(config):
        parent.arrange(items, config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    return None if parent.is_rank(item.config) else parent.report(item, nextitem)


def pytest_sessionfinish(session: pytest.Session) -> None:
    parent.close_all(session.config)


@pytest.fixture
def ranks(request: pytest.FixtureRequest) -> int:
    """How many ranks run this test."""
    return int(request.param)


@pytest.fixture
def rank() -> int:
    """Which of them this process is."""
    return own_rank()


@pytest.fixture
def shared_path(request: pytest.FixtureRequest) -> Path:
    """An empty folder of this test that all ranks see (`tmp_path` is one per rank)."""
    folder: Path = request.config.getoption("--rank-folder") / "shared" / request.node.name.replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def tensorflow_job() -> None:
    """Horovod in TensorFlow, with threads for few cores."""
    import horovod.tensorflow as hvd
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(3)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.get_logger().setLevel("ERROR")  # about tracing again: every test wraps a new optimizer
    hvd.init()
