"""The two scripts through which commands get into an emulated host.

`enter` runs a command on the first host; `bin/ssh` stands in for ssh, only for what `enter` started, and enters
the host that is named. Both refuse when the process that holds the host is gone and its number is another's now.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.cluster.emulated import leftovers
from suite.cluster.ssh import FIND_HOST


@dataclass(frozen=True, kw_only=True)
class Door:
    name: str
    address: str
    pid: int
    network_namespace: str


_CHECK = """\
if [ "$(readlink /proc/{pid}/ns/net)" != '{namespace}' ]; then
  echo 'emulated {name} is gone' >&2
  exit 255
fi
"""

_ENTER = """\
#!/bin/sh
{check}{mark}='{cluster}' PATH={bin}:"$PATH"
export {mark} PATH
exec nsenter --target {pid} {user}--net --mount --uts --wd="$PWD" -- "$@"
"""

_SSH = (
    FIND_HOST
    + """\
case "$host" in
{cases}  *) echo "ssh: no emulated host $host" >&2; exit 255 ;;
esac
exec nsenter --target "$pid" --net --mount --uts -- /bin/sh -c "$*"
"""
)


def write(folder: Path, doors: Sequence[Door], *, user_namespace: bool) -> Path:
    """Writes both scripts and returns the first."""
    binaries = folder / "bin"
    binaries.mkdir()
    cases = "".join(f"  {door.name}|{door.address})\n{_check(door)}    pid={door.pid} ;;\n" for door in doors)
    _executable(binaries / "ssh", _SSH.format(cases=cases))
    enter = folder / "enter"
    _executable(
        enter,
        _ENTER.format(
            check=_check(doors[0]),
            mark=leftovers.MARK,
            cluster=folder.name,
            bin=shlex.quote(str(binaries)),
            pid=doors[0].pid,
            # Inside, all hosts share the user namespace, so the ssh above need not enter it.
            user="--user --preserve-credentials " if user_namespace else "",
        ),
    )
    return enter


def _check(door: Door) -> str:
    return _CHECK.format(pid=door.pid, namespace=door.network_namespace, name=door.name)


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o700)
