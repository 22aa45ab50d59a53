"""Stands in for the python of a rank: a few milliseconds of start instead of seconds, and a fault on request.

FAKE_RANK=kind,rank,step says what goes wrong where. Everything around it (horovodrun, files, signals) is real.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

job = json.loads(Path(sys.argv[-1]).read_text())
rank = int(os.environ["HOROVOD_RANK"])
kind, where, when = os.environ["FAKE_RANK"].split(",")
out = (Path(job["folder"]) / f"rank-{rank}.jsonl").open("w", buffering=1)


def say(**content):
    print(json.dumps(content), file=out)


def fault():
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "hang":
        time.sleep(600)
    elif kind == "memory":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        bytearray(1 << 33)
    elif kind == "crash":  # without a word in its file
        print("ImportError: libwrong.so: cannot open shared object file", file=sys.stderr)
        sys.exit(1)
    elif kind == "raise":
        raise ValueError("the fault")
    elif kind == "stay":  # a helper that does not go away
        import subprocess

        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)


say(event="begin", rank=rank, host="here", process=os.getpid(), time=time.time())
specification = job["specification"]
try:
    for number in range(specification["warmup"] + specification["steps"]):
        if rank == int(where) and number == int(when):
            fault()
        say_step = [number, int(number < specification["warmup"]), number * 0.05, 0.05, 1.0, 0.04, 0.01, 0, 0, 0, 0]
        print(json.dumps(say_step), file=out)
        time.sleep(0.05)
except BaseException as error:
    failure = {"message": f"{type(error).__name__}: {error}", "kind": type(error).__name__, "time": time.time()}
    if not isinstance(error, SystemExit):
        say(event="failure", rank=rank, trace="", consequence=False, **failure)
    raise
say(event="end", rank=rank, verdict="finished", telemetry={}, digest="d")
