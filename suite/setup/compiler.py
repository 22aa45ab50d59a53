"""Stands between Horovod 0.28.1's build and the C++ compiler: `compiler.py COMPILER ARGUMENTS...`.

Horovod asks for C++14 and 17, but the headers of today's PyTorch and TensorFlow need C++20. One source file includes
headers that TensorFlow has moved away. Both are cured by changing arguments; Horovod's own files stay as they are.
"""

import os
import sys


def arguments(given: list[str]) -> list[str]:
    """The arguments that the compiler really gets."""
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


if __name__ == "__main__":
    os.execvp(sys.argv[1], [sys.argv[1], *arguments(sys.argv[2:])])
