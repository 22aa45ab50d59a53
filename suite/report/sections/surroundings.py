"""Where the runs ran: hosts, versions, Horovod's settings, networks as asked for and as measured."""

from __future__ import annotations

from suite.record.host import NOT_ENVIRONMENT, Host
from suite.record.schema import Record
from suite.report import formats
from suite.report.content import Block, Column, Entry, Level, Notice, Prose, Section, Table
from suite.report.study import Study

HOST_COLUMNS = tuple(
    Column(key, title, numeric, detail=key in ("gpus", "system", "python", "versions", "horovod", "commit"))
    for key, title, numeric in (
        ("environment", "environment", False),
        ("cpu", "processor", False),
        ("cores", "cores", True),
        ("memory", "memory", True),
        ("gpus", "GPUs", False),
        ("system", "system", False),
        ("python", "Python", False),
        ("versions", "versions", False),
        ("horovod", "Horovod", False),
        ("commit", "commit", False),
        ("runs", "runs", True),
    )
)
NETWORK_COLUMNS = (
    Column("network", "network"),
    Column("hosts", "hosts", True),
    Column("asked_mbit", "asked, Mbit/s", True, "on the wire"),
    Column("measured_mbit", "measured, Mbit/s", True, "TCP payload, slowest host, median over runs"),
    Column("runs", "runs", True),
)


def section(study: Study) -> Section:
    records = [record for record in study.evidence.records if record.hosts]
    if not records:
        text = "No run came far enough for a host to say what it is."
        return Section("environment", "Hardware and environment", (Notice(Level.HOLE, text),))
    blocks: list[Block] = [_hosts(study, records)]
    if len(study.environments) > 1:
        text = (
            f"There are {len(study.environments)} environments. Runs of different ones are never averaged together or "
            "compared; tables with several of them have a column for it. They differ in: "
        )
        blocks.insert(0, Notice(Level.NOTE, text + "; ".join(differences(study, records)) + "."))
    networks = [record for record in records if record.cluster is not None]
    if networks:
        blocks += [Prose("Networks as asked for and as measured before the ranks started:"), _networks(networks)]
    return Section("environment", "Hardware and environment", tuple(blocks))


def facts(host: Host) -> dict[str, str]:
    """What makes up an environment, flat, as words; names, ranks and the commit are left out."""
    flat = {
        "processor": host.cpu,
        "cores": str(host.cores),
        "memory": formats.size(round(host.memory_bytes / 2**30) * 2**30),
        "GPUs": ", ".join(host.gpus),
        "system": host.system,
        "Python": host.python,
    }
    return (
        flat
        | host.versions
        | {f"Horovod {key}": text for key, text in host.horovod.items() if key not in NOT_ENVIRONMENT}
        | host.other
    )


def differences(study: Study, records: list[Record]) -> list[str]:
    """`code (2 kinds)`, `torch (2.12, 2.13)` ..."""
    values: dict[str, dict[str, None]] = {}
    for digest in study.environments:
        record = next(one for one in records if one.environment == digest)
        for host in record.hosts:
            for key, text in facts(host).items():
                values.setdefault(key, {})[text] = None
    found = []
    for key, texts in values.items():
        if len(texts) > 1:
            long = any(len(text) > 40 for text in texts)
            found.append(f"{key} ({len(texts)} kinds)" if long else f"{key} ({', '.join(filter(None, texts))})")
    return found or ["the number of hosts"]


def _hosts(study: Study, records: list[Record]) -> Table:
    rows = []
    for digest, name in study.environments.items():
        those = [one for one in records if one.environment == digest]
        seen: dict[str, Host] = {}
        for host in those[0].hosts:
            seen.setdefault(host.environment, host)
        commits = sorted({host.commit or "unknown" for one in those for host in one.hosts})
        rows += [_host(name, host, commits, len(those)) for host in seen.values()]
    return Table("environments", "Every kind of host that runs ran on.", HOST_COLUMNS, tuple(rows))


def _host(name: str, host: Host, commits: list[str], runs: int) -> tuple[Entry, ...]:
    versions = ", ".join(f"{package} {version}" for package, version in host.versions.items())
    horovod = ", ".join(
        f"{key.removeprefix('HOROVOD_').lower()} {text}"
        for key, text in host.horovod.items()
        if text and key not in NOT_ENVIRONMENT
    )
    short = ", ".join(one[:12] + "+" * one.endswith("+") for one in commits)
    return (
        Entry(name, name),
        Entry(host.cpu, host.cpu),
        Entry(str(host.cores), host.cores),
        Entry(formats.size(host.memory_bytes), host.memory_bytes),
        Entry(", ".join(host.gpus) or "none", ", ".join(host.gpus)),
        Entry(host.system, host.system),
        Entry(host.python, host.python),
        Entry(versions, versions),
        Entry(horovod, horovod),
        Entry(short, ", ".join(commits)),
        Entry(str(runs), runs),
    )


def _networks(records: list[Record]) -> Table:
    found: dict[tuple[str, int, float | None], list[Record]] = {}
    for record in records:
        if record.cluster is not None:  # a label may stand for one rate with this net and for another with that
            rate = record.specification.network.rate_mbit
            found.setdefault((record.labels.network, record.cluster.hosts, rate), []).append(record)
    rows = []
    for (network, hosts, asked), those in sorted(found.items(), key=lambda one: (*one[0][:2], one[0][2] or 0.0)):
        measured = sorted(
            float(rate)
            for one in those
            if one.cluster is not None
            for rate in [one.cluster.in_force.get("goodput_mbit")]
            if isinstance(rate, int | float)
        )
        middle = measured[len(measured) // 2] if measured else None
        rows.append(
            (
                Entry(network, network),
                Entry(str(hosts), hosts),
                formats.number(asked),
                formats.number(middle),
                Entry(str(len(those)), len(those)),
            )
        )
    return Table("networks", "Networks.", NETWORK_COLUMNS, tuple(rows))
