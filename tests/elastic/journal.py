"""What a worker writes down, line by line, so that it can be read while it runs and after it was killed."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import time
from pathlib import Path

SAY_WHERE = signal.SIGUSR2  # makes a worker write the stacks of all its threads to its output


class Journal:
    def __init__(self) -> None:
        name = f"{os.environ['HOROVOD_HOSTNAME']}_{os.getpid()}.jsonl"
        faulthandler.register(SAY_WHERE, all_threads=True)
        self.file = (Path(os.environ["ELASTIC_JOURNAL"]) / name).open("a", buffering=1)

    def write(self, what: str, **facts: object) -> None:
        self.file.write(json.dumps({"what": what, "seconds": time.monotonic(), **facts}) + "\n")
