"""What a worker writes down, line by line, so that it can be read while it runs and after it was killed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path


class Journal:
    def __init__(self) -> None:
        name = f"{os.environ['HOROVOD_HOSTNAME']}_{os.getpid()}.jsonl"
        self.file = (Path(os.environ["ELASTIC_JOURNAL"]) / name).open("a", buffering=1)

    def write(self, what: str, **facts: object) -> None:
        self.file.write(json.dumps({"what": what, "seconds": time.monotonic(), **facts}) + "\n")
