"""The rate a TCP stream really gets, every host sending to the next one at the same time as a ring allreduce does."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Self

PORT = 5001  # each host is a network namespace of its own, so the number is free
_BLOCK = 1 << 18
_PATIENCE = 10.0
_DISCARD = struct.pack("ii", 1, 0)  # SO_LINGER: what is still queued at close is thrown away, not sent on


class Link:
    """A stream to the next host and one from the previous host. The steps are apart so that all hosts take each
    together: nobody connects before all listen, nobody measures before all send, nobody stops before all measured."""

    def __init__(self, address: str) -> None:
        self._server = socket.create_server((address, PORT))
        self._server.settimeout(_PATIENCE)
        self._outgoing: socket.socket | None = None
        self._incoming: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in (self._outgoing, self._incoming):
            if connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)  # ends the sending thread
                connection.close()
        self._server.close()

    def connect(self, next_address: str) -> None:
        self._outgoing = socket.create_connection((next_address, PORT), timeout=_PATIENCE)
        self._incoming, _ = self._server.accept()
        self._incoming.settimeout(_PATIENCE)

    def measure(self, *, warmup: float, seconds: float) -> float:
        """Mbit/s of payload that arrived in `seconds`, after `warmup` seconds of traffic; goes on sending."""
        if not self._outgoing or not self._incoming:
            raise ConnectionError("the link is not connected")
        threading.Thread(target=_send, args=(self._outgoing,), daemon=True).start()
        return _receive(self._incoming, warmup, seconds)


def _send(connection: socket.socket) -> None:
    block = bytes(_BLOCK)
    with contextlib.suppress(OSError):  # the end, from either side
        while True:
            connection.sendall(block)


def _receive(connection: socket.socket, warmup: float, seconds: float) -> float:
    buffer = bytearray(_BLOCK)
    start = time.monotonic() + warmup
    received, began, now = 0, 0.0, 0.0
    # From one arrival to another, so that no part of a block is counted to the wrong side.
    while now < start + seconds:
        count = connection.recv_into(buffer)
        if not count:
            raise ConnectionError("the other host stopped sending")
        now = time.monotonic()
        if began:
            received += count
        elif now >= start:
            began = now
    return received * 8 / (now - began) / 1e6
