"""Stands where a rank's Python would: asks a warm process for a copy that runs the module, and ends as that copy ends.

Run by path and alone (`python -I -S client.py SOCKET MODULE ARGUMENT...`), so that it costs next to nothing.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from types import FrameType

LENGTH = struct.Struct("!Q")  # before a request
ANSWER = struct.Struct("!q")  # first the copy's process id, in the end its wait status
NAMESPACES = ("user", "mnt", "uts", "net")  # in the order in which they can be entered
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def answer(connection: socket.socket) -> int:
    data = connection.recv(ANSWER.size, socket.MSG_WAITALL)
    if len(data) < ANSWER.size:
        raise EOFError
    number: int = ANSWER.unpack(data)[0]
    return number


def namespaces() -> list[int]:
    """Those that this process is in, open; none where the system has no such thing."""
    found = []
    for name in NAMESPACES:
        try:
            found.append(os.open(f"/proc/self/ns/{name}", os.O_RDONLY))
        except OSError:
            return []
    return found


def main() -> None:
    path, module, *arguments = sys.argv[1:]
    request = {
        "module": module,
        "arguments": arguments,
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109 - importing pathlib would double what this program costs
    }
    data = json.dumps(request).encode()
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
        socket.send_fds(connection, [LENGTH.pack(len(data))], [0, 1, 2, *namespaces()])
        connection.sendall(data)
        copy = answer(connection)
    except (OSError, EOFError) as error:
        sys.exit(f"the warm process behind {path} is gone ({error or 'it has closed the connection'})")

    def pass_on(number: int, frame: FrameType | None) -> None:
        os.kill(copy, number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    try:
        status = os.waitstatus_to_exitcode(answer(connection))
    except (OSError, EOFError):
        os.kill(copy, signal.SIGKILL)
        sys.exit(f"the warm process behind {path} died while its copy {copy} ran")
    if status < 0:
        if -status in PASSED_ON:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main()
