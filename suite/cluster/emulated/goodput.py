"""The rate a TCP stream really gets, every host sending to the next one at the same time as a ring allreduce does."""

from __future__ import annotations

import socket
import threading
import time

PORT = 5001  # each host is a network namespace of its own, so the number is free
_BLOCK = 1 << 18


def listen(address: str) -> socket.socket:
    server = socket.create_server((address, PORT))
    server.settimeout(10)
    return server


def measure(server: socket.socket, next_address: str, *, warmup: float, seconds: float) -> float:
    """Mbit/s of payload that arrived here from the previous host in `seconds`, after `warmup` seconds of traffic."""
    stop = threading.Event()
    sender = threading.Thread(target=_send, args=(next_address, stop), daemon=True)
    sender.start()
    try:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(10)
            rate = _receive(connection, warmup, seconds)
            stop.set()
            # Read on to the end: closing with unread data would reset the neighbour's connection while it measures.
            while connection.recv(_BLOCK):
                pass
            return rate
    finally:
        stop.set()
        sender.join(10)


def _send(address: str, stop: threading.Event) -> None:
    block = bytes(_BLOCK)
    with socket.create_connection((address, PORT), timeout=10) as connection:
        while not stop.is_set():
            connection.sendall(block)


def _receive(connection: socket.socket, warmup: float, seconds: float) -> float:
    buffer = bytearray(_BLOCK)
    start = time.monotonic() + warmup
    received, began, now = 0, 0.0, 0.0
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
