"""Runs a command under horovodrun on emulated hosts, for developers.

    python -m suite.cluster.emulated --hosts 4 --rate 400 -- python script.py --its --options

One rank per host unless --slots says more. What was asked and what was measured goes to standard error, and after
the run the bytes each host's eth0 sent and received. The exit code is the command's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict

from suite.cluster.contract import ClusterError
from suite.cluster.emulated import Emulated


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m suite.cluster.emulated", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument("--rate", type=float, metavar="MBIT", help="default: not shaped")
    parser.add_argument("--preset", help="a named network instead of --rate, like 10GbE")
    parser.add_argument("--scale", type=float, help="of the preset; default: its own")
    parser.add_argument("--delay", type=float, default=0.0, metavar="MS", help="one way; needs netem")
    parser.add_argument("--loss", type=float, default=0.0, metavar="SHARE", help="0.01 is 1 %%; needs netem")
    parser.add_argument("--slots", type=int, default=1, help="ranks a host may run")
    parser.add_argument("--ranks", type=int, help="default: hosts x slots")
    parser.add_argument("--plain", action="store_true", help="run the command once, on the first host, no horovodrun")
    parser.add_argument("argv", nargs="+", metavar="COMMAND")
    options = parser.parse_args(arguments)
    try:
        with Emulated(
            hosts=options.hosts,
            rate_mbit=options.rate,
            preset=options.preset,
            scale=options.scale,
            delay_ms=options.delay,
            loss=options.loss,
            slots=options.slots,
        ) as cluster:
            print(json.dumps(asdict(cluster.facts())), file=sys.stderr)
            ranks = options.ranks or cluster.hosts * cluster.slots
            command = cluster.enter(options.argv) if options.plain else cluster.command(ranks, options.argv)
            before = cluster.counters()
            code = subprocess.run(command, check=False).returncode
            for index, (then, now) in enumerate(zip(before, cluster.counters(), strict=True)):
                carried = now - then
                print(f"host{index}: sent {carried.sent_bytes}, received {carried.received_bytes}", file=sys.stderr)
            return code if code >= 0 else 128 - code
    except (ClusterError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
