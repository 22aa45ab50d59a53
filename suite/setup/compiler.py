"""Stands between Horovod 0.28.1's build and the C++ compiler: `compiler.py COMPILER ARGUMENTS...`.

Horovod asks for C++14 and 17, but the headers of today's PyTorch and TensorFlow need C++20. One source file includes
headers that TensorFlow has moved away. Built for GPUs, Horovod wants symbols that only a TensorFlow for GPUs offers, and
set-up installs TensorFlow's CPU build. All are cured by changing arguments; Horovod's own files stay as they are.
"""

import os
import re
import sys

# What Horovod's CMakeLists.txt adds for CUDA and NCCL: definitions, source files, a library.
GPU_DEFINITION = re.compile(r"-D(HAVE_(GPU|CUDA|NCCL)|HOROVOD_GPU_\w+)=")
GPU_SOURCE = re.compile(r"(gpu|cuda|nccl)_operations\.cc$")
GPU_LIBRARY = re.compile(r"/libnccl\.so$")


def arguments(given: list[str]) -> list[str]:
    """The arguments that the compiler really gets."""
    if any("tensorflow.dir/" in argument for argument in given):  # CMake's folder of this library's object files
        given = without_gpu(given)
    kept = [
        "-std=gnu++20" if argument.startswith(("-std=", "--std=")) else argument
        for argument in given
        # Debug sections make the libraries ten times larger. A run path would tie them to one folder; they need none,
        # since Horovod imports the framework before its own library.
        if argument != "-g" and not argument.startswith("-Wl,-rpath")
    ]
    if any(argument.endswith("xla_mpi_ops.cc") for argument in given):
        # Its whole body stands under `#if TENSORFLOW_VERSION >= 2006000000`: XLA operations are left out.
        kept += ["-UTENSORFLOW_VERSION", "-DTENSORFLOW_VERSION=0"]
    return kept


def without_gpu(given: list[str]) -> list[str]:
    """The same for a library that knows the CPU only. All its files must agree, since classes have fewer members then."""
    kept: list[str] = []
    for argument in given:
        if GPU_SOURCE.search(argument):
            kept += ["-x", "c++", os.devnull]  # an object file must appear all the same: an empty one
        elif not GPU_DEFINITION.match(argument) and not GPU_LIBRARY.search(argument):
            kept.append(argument)
    return kept


if __name__ == "__main__":
    os.execvp(sys.argv[1], [sys.argv[1], *arguments(sys.argv[2:])])
