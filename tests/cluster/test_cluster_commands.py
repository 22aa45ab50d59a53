"""The command lines of every kind of cluster and launcher, and how a specification becomes a cluster."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from suite.cluster import Cluster, ClusterError, Emulated, Hosts, Local
from suite.cluster.host_file import Place, parse
from suite.cluster.kinds import recorded
from suite.cluster.launchers import kubernetes, mpirun, slurm
from suite.cluster.presets import PRESETS, SCALE

ARGV = ["python", "-m", "suite", "--note", "two words"]


@pytest.fixture
def machines(tmp_path: Path) -> Path:
    file = tmp_path / "machines"
    file.write_text("node1 slots=4\nnode2 slots=4\n")
    return file


def test_local_runs_all_ranks_on_this_machine() -> None:
    with Local() as cluster:
        command = cluster.command(3, ARGV)
        assert command[-(5 + len(ARGV)) :] == ["--gloo", "-np", "3", "-H", "localhost:3", *ARGV]
        command = cluster.command(3, ARGV, mpi=True)
        assert command[command.index("--mpi") :] == ["--mpi", "-np", "3", "-H", "localhost:3", *ARGV]
        assert cluster.facts().kind == "measured"
        assert cluster.facts().slots == 3
        with pytest.raises(ValueError, match="ranks is 0"):
            cluster.command(0, ARGV)


def test_local_warns_when_ranks_share_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.cluster.local.usable_cores", lambda: 2)
    with Local() as cluster:
        cluster.command(2, ARGV)
        assert cluster.facts().warnings == ()
        cluster.command(4, ARGV)
        assert "4 ranks share 2 cores" in cluster.facts().warnings[0]


def test_hosts_names_places_interface_and_key(machines: Path) -> None:
    cluster = Hosts(machines, interfaces=("eth0", "ib0"), ssh_port=2222, ssh_identity_file="key")
    command = cluster.command(6, ARGV)
    assert command[command.index("--gloo") :] == [
        *("--gloo", "-np", "6", "-H", "node1:4,node2:2", "--network-interfaces", "eth0,ib0"),
        *("--ssh-port", "2222", "--ssh-identity-file", "key"),
        *ARGV,
    ]
    over_mpi = cluster.command(6, ARGV, mpi=True)
    assert over_mpi == ["--mpi" if word == "--gloo" else word for word in command]
    assert "--network-interfaces" not in cluster.command(4, ARGV)  # node1 alone: its ranks meet over its loopback
    assert cluster.facts().hosts == 2
    with pytest.raises(ValueError, match="ranks is 9, must be between 1 and 8"):
        cluster.command(9, ARGV)


def test_entering_hosts_names_every_unknown_host(tmp_path: Path) -> None:
    file = tmp_path / "machines"
    file.write_text("no-such-host.invalid slots=1\nnor-this.invalid slots=1\n")
    with pytest.raises(ClusterError) as caught, Hosts(file):
        pass
    assert "'no-such-host.invalid'" in str(caught.value)
    assert "'nor-this.invalid'" in str(caught.value)


def test_loopback_is_no_place_for_one_of_several_hosts(tmp_path: Path) -> None:
    file = tmp_path / "machines"
    file.write_text("localhost slots=1\nno-such-host.invalid slots=1\n")
    with pytest.raises(ClusterError, match=r"'localhost' .* is 127\.0\.0\.1, at which the other hosts cannot reach it"):
        Hosts(file).__enter__()


def test_mpirun_and_srun_say_the_same_as_horovodrun() -> None:
    places = parse("node1 slots=4\nnode2 slots=4\n")
    for text in (mpirun(places, 8, ARGV, {"OMP_NUM_THREADS": "1"}), slurm(places, 8, ARGV, {"OMP_NUM_THREADS": "1"})):
        comment, command = text.splitlines()[-2:]
        assert comment.startswith("# needs a Horovod built with MPI")
        words = shlex.split(command)
        assert words[-len(ARGV) :] == ARGV
        assert any("OMP_NUM_THREADS=1" in word for word in words)
    words = shlex.split(mpirun(places, 6, ARGV, {}).splitlines()[1])
    assert words[words.index("-H") + 1] == "node1:4,node2:2"
    assert words[words.index("-np") + 1] == "6"
    asked = ["--nodes=2", "--ntasks=8", "--ntasks-per-node=4", "--nodelist=node1,node2"]
    lines = slurm(places, 8, ARGV, {}).splitlines()
    assert lines[0].startswith("#!"), "else sbatch refuses it"
    assert lines[1:5] == [f"#SBATCH {option}" for option in asked]
    assert set(asked) <= set(shlex.split(lines[-1]))


def test_srun_cannot_place_ranks_unevenly() -> None:
    with pytest.raises(ValueError, match="node1:4, node2:2"):
        slurm([Place("node1", 4), Place("node2", 4)], 6, ARGV, {})


def test_an_mpijob_starts_horovodrun_on_all_slots() -> None:
    manifest = json.loads(kubernetes(2, 4, ARGV, {"A": "1"}, image="registry/image:1", name="job"))
    assert (manifest["apiVersion"], manifest["kind"]) == ("kubeflow.org/v2beta1", "MPIJob")
    launcher, worker = (manifest["spec"]["mpiReplicaSpecs"][role] for role in ("Launcher", "Worker"))
    assert manifest["spec"]["slotsPerWorker"] == 4
    assert (launcher["replicas"], worker["replicas"]) == (1, 2)
    container = launcher["template"]["spec"]["containers"][0]
    assert container["command"] == ["horovodrun", "--gloo", "-np", "8", "--hostfile", "/etc/mpi/hostfile", *ARGV]
    assert container["env"] == [{"name": "A", "value": "1"}]
    with pytest.raises(ValueError, match="workers is 0"):
        kubernetes(0, 4, ARGV, {}, image="i", name="n")


def test_a_kind_opens_what_its_network_says(machines: Path) -> None:
    made: list[Cluster] = [
        recorded({}).open(2),
        recorded({"kind": "hosts", "file": str(machines)}).open(2),
        recorded({"kind": "emulated", "hosts": 4, "preset": "10GbE"}).open(4),
    ]
    assert [type(cluster) for cluster in made] == [Local, Hosts, Emulated]
    assert [cluster.kind for cluster in made] == ["measured", "measured", "emulated"]


@pytest.mark.parametrize(
    ("network", "complaint"),
    [
        ({"kind": "cloud"}, "unknown kind of network 'cloud'; known: local, hosts, ray, emulated, virtual"),
        ({"kind": "emulated", "host": 4}, "unknown key 'host' (did you mean 'hosts'?)"),
        ({"kind": "local", "hosts": 4}, "hosts shapes an emulated network, not one of kind 'local'"),
        ({"kind": "hosts"}, "needs file, the host file"),
    ],
)
def test_a_network_takes_what_its_kind_takes(network: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        recorded(network)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"hosts": 0}, "hosts is 0, must be between 1 and"),
        ({"rate_mbit": 1}, "rate_mbit is 1, must be between 10 and"),
        ({"rate_mbit": float("nan")}, "rate_mbit is nan"),
        ({"loss": 1}, "loss is 1"),
        ({"preset": "IB-FDR"}, "did you mean 'IB-FDR-like'?"),
        ({"preset": "QDR"}, "did you mean 'IB-QDR-like'?"),
        ({"preset": "1GbE", "rate_mbit": 400}, "rate_mbit is 400, but 1GbE scaled by"),
        ({"scale": 0.5, "rate_mbit": 400}, "scale is 0.5, but there is no preset"),
    ],
)
def test_emulated_hosts_refuse(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        Emulated(**given)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_keep_their_proportions_and_say_their_factor(name: str) -> None:
    cluster = Emulated(preset=name)
    assert cluster.rate_mbit == pytest.approx(PRESETS[name].line_rate_mbit / 32)
    assert cluster.scale == SCALE == 1 / 32
    assert name in cluster.name
    assert "0.03125" in cluster.name
    halved = Emulated(preset=name, scale=1 / 64)
    assert halved.rate_mbit == pytest.approx(PRESETS[name].line_rate_mbit / 64)


def test_an_emulated_cluster_is_nothing_outside_its_block() -> None:
    with pytest.raises(ClusterError, match="not up"):
        Emulated().command(1, ARGV)
