"""Emulated hosts for real: the rate they deliver, what crosses their links, and Horovod on them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from suite.cluster import ClusterError, ClusterUnavailableError, Emulated
from suite.cluster.emulated import cluster as cluster_module
from suite.cluster.emulated import leftovers
from suite.cluster.emulated.shaping import GOODPUT_SHARE
from suite.cluster.emulated.specification import Specification

pytestmark = [pytest.mark.usefixtures("namespaces")]

ROOT = Path(__file__).parents[2]

ALLREDUCE = """
import socket, sys
import torch, horovod.torch as hvd
hvd.init()
total = hvd.allreduce(torch.full((int(sys.argv[1]),), float(hvd.rank() + 1)), op=hvd.Sum, name="total")
print("RANK", hvd.rank(), socket.gethostname(), total[-1].item(), flush=True)
hvd.shutdown()
"""

# A server on host1, a client on host0: bytes of known size over a link, without Horovod.
SEND = """
import socket, subprocess, sys
server = ["ssh", "10.99.0.2", f"{sys.executable} -c '" + '''
import socket
s = socket.create_server(("10.99.0.2", 6000)); print("ready", flush=True)
c, _ = s.accept()
n = 0
while d := c.recv(65536): n += len(d)
print(n, flush=True)
''' + "'"]
p = subprocess.Popen(server, stdout=subprocess.PIPE, text=True)
assert p.stdout.readline() == "ready\\n"
c = socket.create_connection(("10.99.0.2", 6000)); c.sendall(bytes(2_000_000)); c.close()
assert int(p.stdout.readline()) == 2_000_000
"""


@pytest.mark.parametrize("rate", [50.0, 400.0])
def test_the_measured_rate_is_the_one_asked_for_and_recorded(rate: float) -> None:
    with Emulated(hosts=3, rate_mbit=rate) as cluster:
        facts = cluster.facts()
    assert facts.asked["rate_mbit"] == rate
    assert facts.in_force["goodput_mbit"] == pytest.approx(rate * GOODPUT_SHARE, rel=0.05)
    assert facts.in_force["wire_rate_mbit"] == pytest.approx(rate, rel=0.05)
    assert facts.in_force["congestion_control"] == "reno"
    assert facts.in_force["qdiscs"] == {"host": ["tbf"], "switch": ["tbf"]}
    assert all(len(row) == 3 for row in facts.in_force["goodput_attempts_mbit"])


@pytest.mark.parametrize("share", [0.94, 1.06])
def test_a_cluster_that_delivers_something_else_is_refused_and_removed(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear = cluster_module._hear

    def hear_wrongly(process: subprocess.Popen[str], folder: Path) -> dict[str, Any]:
        report = hear(process, folder)
        report["goodput_mbit"][-1][1] = 400 * GOODPUT_SHARE * share
        return report

    monkeypatch.setattr(cluster_module, "_hear", hear_wrongly)
    with pytest.raises(ClusterError, match=r"asked for 400 Mbit/s.* more than 5% off"), Emulated(rate_mbit=400):
        pass
    assert not any(leftovers.home().glob(f"farandole-{os.getpid()}-*"))


def test_five_percent_off_is_tolerated_and_no_more() -> None:
    specification = Specification(owner=(1, 1, 1), folder="", hosts=2, rate_mbit=400, delay_ms=0, loss=0)
    expected = specification.goodput_mbit
    assert expected == pytest.approx(382.56, abs=0.01)  # 1448 of 1514 bytes
    assert [specification.delivers(expected * share) for share in (0.949, 0.951, 1.049, 1.051)] == [
        *(False, True, True, False)
    ]
    assert Specification.from_argument(specification.as_argument()) == specification


def test_delay_is_in_force_or_refused() -> None:
    try:
        with Emulated(hosts=2, rate_mbit=100, delay_ms=5) as cluster:
            assert "netem" in cluster.facts().in_force["qdiscs"]["host"]
            ping = [sys.executable, "-c", ROUND_TRIP]
            seconds = float(subprocess.run(cluster.enter(ping), capture_output=True, text=True, check=True).stdout)
            assert 0.010 <= seconds < 0.05, "the fastest of twenty: other work makes some longer and none shorter"
    except ClusterUnavailableError as error:
        assert "this kernel has no netem" in str(error)


ROUND_TRIP = """
import socket, time
def trip():
    s = socket.socket(); t = time.monotonic()
    try: s.connect(("10.99.0.2", 9))
    except ConnectionRefusedError: return time.monotonic() - t
print(min(trip() for _ in range(20)))
"""


def test_counters_see_what_crosses_a_link_and_nothing_else() -> None:
    with Emulated(hosts=2, rate_mbit=400) as cluster:
        before = cluster.counters()
        subprocess.run(cluster.enter(["sleep", "1"]), check=True)
        assert cluster.counters() == before
        subprocess.run(cluster.enter([sys.executable, "-c", SEND]), check=True, timeout=30)
        sent, received = (now - then for now, then in zip(cluster.counters(), before, strict=True))
    # At least the payload; at most a header on every frame, and some for the connection itself.
    assert 2_000_000 < sent.sent_bytes < 2_000_000 / GOODPUT_SHARE + 20_000
    assert received.received_bytes == sent.sent_bytes
    assert sent.received_bytes == received.sent_bytes < 200_000


def test_each_host_has_its_name_its_address_and_its_own_network(tmp_path: Path) -> None:
    machine = Path("/etc/hosts").read_text()
    with Emulated(hosts=2) as cluster:
        script = "hostname; pwd; cat /etc/hosts; ls /proc/sys/net/ipv4/conf; ssh -o A=b host1 -p 22 hostname"
        seen = subprocess.run(
            cluster.enter(["sh", "-c", script]), capture_output=True, text=True, cwd=tmp_path, check=True
        ).stdout.splitlines()
        unknown = subprocess.run(cluster.enter(["ssh", "10.99.0.3", "true"]), capture_output=True, text=True)
    assert seen[:2] == ["host0", str(tmp_path)]
    assert "10.99.0.2 host1" in seen
    assert set(seen) & {"eth0", "lo", "all", "default"} == {"eth0", "lo", "all", "default"}
    assert not any(line.startswith(("veth", "port", "switch")) for line in seen)
    assert seen[-1] == "host1"
    assert unknown.returncode == 255
    assert "no emulated host 10.99.0.3" in unknown.stderr
    assert Path("/etc/hosts").read_text() == machine


def test_horovod_reduces_over_two_hosts(tmp_path: Path) -> None:
    script = tmp_path / "allreduce.py"
    script.write_text(ALLREDUCE)
    values = 2_500_000
    with Emulated(hosts=2, rate_mbit=400) as cluster:
        before = cluster.counters()
        done = subprocess.run(
            cluster.command(2, [sys.executable, str(script), str(values)]), capture_output=True, text=True, timeout=90
        )
        sent = [(now - then).sent_bytes for now, then in zip(cluster.counters(), before, strict=True)]
    assert done.returncode == 0, done.stderr[-2000:]
    lines = sorted(line.partition("RANK ")[2] for line in done.stdout.splitlines() if "RANK" in line)
    assert lines == ["0 host0 3.0", "1 host1 3.0"]
    # A ring allreduce of n bytes over two hosts sends n bytes from each: in frames, and beside Horovod's negotiation,
    # which goes on every millisecond for as long as the other rank takes to start.
    least = values * 4
    assert all(least < count < least / GOODPUT_SHARE + 2_000_000 for count in sent), sent


@pytest.mark.parametrize(("ranks", "total"), [(1, "1.0"), (2, "3.0")])
def test_horovod_runs_on_one_host_alone(tmp_path: Path, ranks: int, total: str) -> None:
    """The first point of every scaling curve."""
    script = tmp_path / "allreduce.py"
    script.write_text(ALLREDUCE)
    with Emulated(hosts=1, slots=2, rate_mbit=400) as cluster:
        done = subprocess.run(
            cluster.command(ranks, [sys.executable, str(script), "1000"]), capture_output=True, text=True, timeout=90
        )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = sorted(line.partition("RANK ")[2] for line in done.stdout.splitlines() if "RANK" in line)
    assert lines == [f"{rank} host0 {total}" for rank in range(ranks)]


def test_a_host_file_of_emulated_hosts_works_over_ssh(tmp_path: Path) -> None:
    """`Hosts` inside an emulated host: the stand-in for ssh is all the ssh it meets."""
    (tmp_path / "machines").write_text("10.99.0.1 slots=1\n10.99.0.2 slots=1\n")
    (tmp_path / "mistaken").write_text("10.99.0.1 slots=1\n10.99.0.9 slots=1\nhost0 slots=1\n")
    script = tmp_path / "enter.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from suite.cluster import ClusterError, Hosts\n"
        "with Hosts('machines', interfaces=('eth0',)) as cluster: print(cluster.facts().hosts)\n"
        "try: Hosts('mistaken').__enter__()\n"
        "except ClusterError as error: print(error)\n"
    )
    with Emulated(hosts=2) as cluster:
        done = subprocess.run(
            cluster.enter([sys.executable, str(script)]), capture_output=True, text=True, cwd=tmp_path, timeout=60
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2",
        "host '10.99.0.9' is unreachable by ssh: ssh: no emulated host 10.99.0.9",
        "hosts '10.99.0.1' and 'host0' of mistaken are both 10.99.0.1",
    ]


def test_ranks_are_spread_evenly() -> None:
    with Emulated(hosts=4, slots=2) as cluster:

        def places(ranks: int) -> str:
            command = cluster.command(ranks, ["true"])
            return command[command.index("-H") + 1]

        assert places(2) == "10.99.0.1:1,10.99.0.2:1"
        assert places(4) == ",".join(f"10.99.0.{i}:1" for i in range(1, 5))
        assert places(8) == ",".join(f"10.99.0.{i}:2" for i in range(1, 5))
        with pytest.raises(ValueError, match="ranks is 9, must be between 1 and 8"):
            cluster.command(9, ["true"])


def test_two_clusters_at_once_do_not_meet() -> None:
    with Emulated(hosts=2) as one, Emulated(hosts=2) as other:
        first, second = (
            subprocess.run(
                cluster.enter(["readlink", "/proc/self/ns/net"]), capture_output=True, text=True, check=True
            ).stdout
            for cluster in (one, other)
        )
        assert first != second
        with pytest.raises(ClusterError, match="already up"):
            one.__enter__()
    assert not any(leftovers.home().glob(f"farandole-{os.getpid()}-*"))


def helper(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "suite.cluster.emulated", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_helper_for_developers_runs_a_command_and_reports_the_links() -> None:
    done = helper("--hosts", "2", "--preset", "10GbE", "--plain", "--", "sh", "-c", "hostname; exit 7")
    assert done.returncode == 7
    assert done.stdout == "host0\n"
    facts, *carried = done.stderr.splitlines()
    assert json.loads(facts)["in_force"]["wire_rate_mbit"] == pytest.approx(312.5, rel=0.05)
    assert carried == ["host0: sent 0, received 0", "host1: sent 0, received 0"]


def test_the_helper_refuses_bad_input_in_one_line() -> None:
    done = helper("--hosts", "2", "--preset", "10GBe", "--", "true")
    assert done.returncode == 2
    assert done.stderr.startswith("error: network preset '10GBe' is unknown; did you mean '10GbE'?")
    assert done.stderr.count("\n") == 1
