"""The choices of Horovod's build, its cache key, its compiler wrapper and the lock files."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from suite.setup import compiler, lock, recipe
from suite.setup.recipe import BuildKey
from suite.setup.wheel import Shelf, cache_folder

KEY = BuildKey("0.28.1", "2.13.0+cpu", "2.21.0", "CPython-3.11", "Linux-x86_64", "g++ 12.2.0", "", "")
PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", [field.name for field in fields(BuildKey)])
def test_the_key_changes_with_each_thing_that_matters(name: str) -> None:
    other = replace(KEY, **{name: 99 if name == "recipe" else "another"})  # type: ignore[arg-type]
    assert other.digest() != KEY.digest()
    assert replace(KEY).digest() == KEY.digest()


def test_the_cache_is_where_the_user_keeps_caches(tmp_path: Path) -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/caches", "HOME": "/home/me"}) == Path("/caches/farandole/horovod")
    assert cache_folder({"HOME": "/home/me"}) == Path("/home/me/.cache/farandole/horovod")
    assert cache_folder({"HOME": "/home/me", "XDG_CACHE_HOME": "not/absolute"}) == Path(
        "/home/me/.cache/farandole/horovod"
    )


def test_a_shelf_holds_at_most_its_wheel(tmp_path: Path) -> None:
    shelf = Shelf.of(KEY, {"XDG_CACHE_HOME": str(tmp_path)})
    assert shelf.wheel() is None
    shelf.folder.mkdir(parents=True)
    (shelf.folder / ".horovod-0.28.1.whl.123").touch()  # still arriving
    assert shelf.wheel() is None
    (shelf.folder / "horovod-0.28.1-cp311.whl").touch()
    assert shelf.wheel() == shelf.folder / "horovod-0.28.1-cp311.whl"
    shelf.drop()
    assert shelf.wheel() is None


def environment(**changes: object) -> dict[str, str]:
    settings: dict[str, object] = {
        "compiler": Path("/venv/c++"),
        "cmake": Path("/usr/bin/cmake"),
        "programs": Path("/venv/bin"),
        "mpi": False,
        "gpu": None,
        "parallel": 2,
    }
    inherited = {
        "PATH": "/bin",
        "HOME": "/me",
        "HOROVOD_WITHOUT_GLOO": "1",
        "CXXFLAGS": "-O0",
        "MAKEFLAGS": "w",
        "PYTHONSAFEPATH": "1",
    }
    return recipe.build_environment(inherited, **(settings | changes))  # type: ignore[arg-type]


def test_the_build_asks_for_both_frameworks_and_gloo_and_keeps_no_inherited_wish() -> None:
    chosen = environment()
    assert chosen["HOROVOD_WITH_PYTORCH"] == chosen["HOROVOD_WITH_TENSORFLOW"] == chosen["HOROVOD_WITH_GLOO"] == "1"
    assert "HOROVOD_WITHOUT_GLOO" not in chosen
    assert not {"CXXFLAGS", "PYTHONSAFEPATH"} & set(chosen)
    assert chosen["MAKEFLAGS"] == "-j2"
    assert chosen["PATH"] == "/venv/bin:/bin"
    assert chosen["HOME"] == "/me"


def test_mpi_and_nccl_are_asked_for_only_when_wanted() -> None:
    assert environment()["HOROVOD_WITHOUT_MPI"] == "1"
    assert "HOROVOD_GPU_OPERATIONS" not in environment()
    with_mpi = environment(mpi=True)
    assert with_mpi["HOROVOD_WITH_MPI"] == "1"
    assert "HOROVOD_WITHOUT_MPI" not in with_mpi
    with_gpu = environment(gpu=recipe.Gpu(Path("/cuda"), recipe.Nccl(Path("/nccl/include"), Path("/nccl/lib"))))
    assert with_gpu["HOROVOD_GPU_OPERATIONS"] == "NCCL"
    assert with_gpu["HOROVOD_CUDA_HOME"] == "/cuda"
    standard, *threads = with_gpu["NVCC_APPEND_FLAGS"].split()
    assert compiler.arguments([standard]) == ["-std=gnu++20"], "nvcc and its host compiler disagree"
    assert threads == ["--threads", "2"], "the same as compilers at once"
    shared = environment(gpu=recipe.Gpu(Path("/cuda"), None))
    assert shared["CUDA_HOME"] == "/cuda"
    assert "HOROVOD_GPU_OPERATIONS" not in shared, "what lies on a GPU travels through main memory"


@pytest.mark.parametrize(("cores", "gigabytes", "expected"), [(2, 16, 2), (16, 4, 2), (8, 0.5, 1), (4, 100, 4)])
def test_no_more_compilers_than_cores_and_memory_allow(cores: int, gigabytes: float, expected: int) -> None:
    assert recipe.jobs(cores, int(gigabytes * 1e9)) == expected


def test_the_wrapper_raises_the_standard_and_drops_what_ties_the_library_to_a_folder() -> None:
    assert compiler.arguments(["--std=c++17"]) == ["-std=gnu++20"]
    given = ["-g", "-O3", "-std=c++14", "-c", "common.cc", "-Wl,-rpath,/somewhere/lib"]
    assert compiler.arguments(given) == ["-O3", "-std=gnu++20", "-c", "common.cc"]


def test_the_wrapper_leaves_out_the_xla_operations() -> None:
    got = compiler.arguments(["-DTENSORFLOW_VERSION=2021000000", "-c", "/src/horovod/tensorflow/xla_mpi_ops.cc"])
    assert got[-2:] == ["-UTENSORFLOW_VERSION", "-DTENSORFLOW_VERSION=0"]


GPU = ["-DHAVE_GLOO=1", "-DHAVE_GPU=1", "-DHAVE_CUDA=1", "-DHAVE_NCCL=1", "-DHOROVOD_GPU_ALLREDUCE=78", "-DHAVE_NVTX=1"]


def compiling(target: str, source: str) -> list[str]:
    return [*GPU, "-MF", f"CMakeFiles/{target}.dir/{source}.o.d", "-o", f"CMakeFiles/{target}.dir/{source}.o"]


def test_every_file_of_the_library_for_tensorflow_is_compiled_as_for_a_cpu() -> None:
    for source in ("mpi_ops.cc", "__/common/common.cc", "__/common/ops/gloo_operations.cc"):
        given = [*compiling("tensorflow", source), "-c", f"/src/{source}"]
        assert compiler.arguments(given) == ["-DHAVE_GLOO=1", *given[5:]]


@pytest.mark.parametrize("name", ["gpu", "cuda", "nccl", "mpi_gpu", "adasum_gpu"])
def test_files_for_gpus_are_empty_in_the_library_for_tensorflow(name: str) -> None:
    source = f"__/common/ops/{name}_operations.cc"
    got = compiler.arguments([*compiling("tensorflow", source), "-c", f"/src/{source}"])
    assert got[-6:] == ["-o", f"CMakeFiles/tensorflow.dir/{source}.o", "-c", "-x", "c++", "/dev/null"]


def test_only_the_library_for_pytorch_is_linked_with_nccl() -> None:
    linking = ["-o", "mpi_lib.so", "CMakeFiles/{}.dir/__/common/ops/nccl_operations.cc.o", "/tools/libnccl.so", "-ldl"]
    pytorch = [word.format("pytorch") for word in linking]
    tensorflow = [word.format("tensorflow") for word in linking]
    assert compiler.arguments(pytorch) == pytorch
    assert compiler.arguments(tensorflow) == [*tensorflow[:3], "-ldl"]


def test_the_library_for_pytorch_keeps_its_gpus() -> None:
    source = "__/common/ops/nccl_operations.cc"
    given = [*compiling("pytorch", source), "-c", f"/src/{source}"]
    assert compiler.arguments(given) == given


def test_pins_are_read_and_left_out_by_name() -> None:
    text = "# head\nhorovod==0.28.1\ntensorflow-cpu==2.21.0\nh5py==3.14.0\n"
    assert recipe.pinned(text, "tensorflow-cpu") == "2.21.0"
    assert recipe.without(text, "horovod") == "# head\ntensorflow-cpu==2.21.0\nh5py==3.14.0\n"
    with pytest.raises(ValueError, match="pin no torch"):
        recipe.pinned(text, "torch")


def test_every_direct_dependency_is_pinned_exactly() -> None:
    pins = recipe.PINS.read_text() + recipe.CPU_PINS.read_text()
    wanted = lock.direct(PROJECT)
    assert {"numpy", "pandas", "jinja2", "ruff"} <= set(wanted)
    for line in wanted:
        name = re.split(r"[ =<>;!~]", line)[0]
        assert recipe.pinned(pins, name)


@pytest.mark.parametrize("path", [recipe.PINS, recipe.CPU_PINS, recipe.GPU_PINS, recipe.CMAKE_PINS])
def test_a_lock_holds_exact_versions_only(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert all(re.fullmatch(r"[a-z0-9.-]+==[0-9][\w.+]*(,!=[0-9][\w.+]*)?", line) for line in lines)


def test_torch_is_locked_once_for_each_kind_of_machine() -> None:
    assert recipe.pinned(recipe.CPU_PINS.read_text(), "torch").endswith("+cpu")
    assert (
        recipe.pinned(recipe.GPU_PINS.read_text(), "torch") == recipe.pinned(recipe.CPU_PINS.read_text(), "torch")[:-4]
    )
    with pytest.raises(ValueError, match="torch"):
        recipe.pinned(recipe.PINS.read_text(), "torch")
