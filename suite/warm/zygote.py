"""The warm process: imports what it is told, then becomes a copy of itself for each client that asks.

Run by `owner` as `python -m suite.warm.zygote LISTENER MODULE...`; its standard input is held open by the owner alone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Any

from suite.warm.client import ANSWER, LENGTH, NAMESPACES

OWNER = 0  # standard input: at its end, so is this process


@dataclass(frozen=True)
class Request:
    """What the copy is to run, and as whom."""

    module: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str
    streams: list[int]
    namespaces: list[int]


def read(connection: socket.socket) -> Request | None:
    """Nothing where the client died before it had finished asking."""
    head, files, _, _ = socket.recv_fds(connection, LENGTH.size, 3 + len(NAMESPACES))
    if len(head) == LENGTH.size and len(files) >= 3:
        (length,) = LENGTH.unpack(head)
        data = connection.recv(length, socket.MSG_WAITALL) if length else b""
        if len(data) == length:
            return Request(**json.loads(data), streams=files[:3], namespaces=files[3:])
    for file in files:
        os.close(file)
    return None


class Zygote:
    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.copies: dict[int, socket.socket] = {}  # by process id; the client's connection
        self.wake, self.woken = socket.socketpair()
        self.selector = selectors.DefaultSelector()
        for watched in (listener, self.wake, OWNER):
            self.selector.register(watched, selectors.EVENT_READ)
        self.woken.setblocking(False)
        signal.set_wakeup_fd(self.woken.fileno())
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def serve(self) -> Request | None:
        """Comes back in every copy, with what it is to run, and in the warm process itself when the owner is gone."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    request = self._copy()
                    if request is not None:
                        return request
                elif key.fileobj is self.wake:
                    self.wake.recv(4096)
                    self._bury()
                elif key.fileobj == OWNER:
                    for copy in self.copies:
                        end(copy)
                    return None
                elif key.data in self.copies:
                    end(key.data)  # its client never says more: it is dead
                    self.selector.unregister(key.fileobj)

    def _copy(self) -> Request | None:
        connection, _ = self.listener.accept()
        request = read(connection)
        if request is None:
            connection.close()
            return None
        copy = os.fork()
        if copy == 0:
            self._let_go(connection)
            return request
        for file in (*request.streams, *request.namespaces):
            os.close(file)
        self.copies[copy] = connection
        self.selector.register(connection, selectors.EVENT_READ, copy)
        tell(connection, copy)
        return None

    def _bury(self) -> None:
        for copy in list(self.copies):
            found, status = os.waitpid(copy, os.WNOHANG)
            if found:
                connection = self.copies.pop(copy)
                tell(connection, status)
                with contextlib.suppress(KeyError):
                    self.selector.unregister(connection)
                connection.close()

    def _let_go(self, connection: socket.socket) -> None:
        """In a copy: nothing of the warm process stays open, and signals mean what they mean elsewhere."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        self.selector.close()
        for own in (self.listener, self.wake, self.woken, connection, *self.copies.values()):
            own.close()


def tell(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(ANSWER.pack(number))


def end(copy: int) -> None:
    """Kill it with all that it started in its session. It is ours and not yet buried, so the number is still its own."""
    for kill in (os.kill, os.killpg):  # it may not have its session yet
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(copy, signal.SIGKILL)


def enter(namespaces: list[int]) -> None:
    """Move to where the client is, an emulated host, say. A process may not enter the user namespace that it is in."""
    for name, file in zip(NAMESPACES, namespaces, strict=False):
        if os.fstat(file).st_ino != os.stat(f"/proc/self/ns/{name}").st_ino:  # noqa: PTH116
            from suite.cluster.emulated import linux

            linux.enter_namespace(file)
        os.close(file)


def become(request: Request) -> None:
    """Take over what the client came with, then run the module as `python -m` would."""
    for number, stream in enumerate(request.streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
    enter(request.namespaces)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()  # its copies would all draw the same numbers; `random` sees to itself
    sys.path[0] = request.folder
    sys.argv[1:] = request.arguments
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    for module in sys.argv[2:]:
        with contextlib.suppress(ImportError):  # whoever needs it imports it again, and says so
            importlib.import_module(module)
    gc.collect()
    # Else every copy's first collection, and that at its end, would write to, and so copy, every page of the modules:
    # with PyTorch a copy that does nothing takes 0.3 in place of 1.0 s of a core.
    gc.freeze()
    request = Zygote(listener).serve()
    if request is not None:
        become(request)


if __name__ == "__main__":
    main()
