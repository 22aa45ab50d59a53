"""Small trees on disk of the layouts that the readers read."""

from pathlib import Path

import pytest

from tests.data.trees import ImagenetTree, make_imagenet


@pytest.fixture
def imagenet(tmp_path: Path) -> ImagenetTree:
    return make_imagenet(tmp_path / "imagenet")
