"""Copies of a warm process: like a fresh Python to whoever starts them, and gone when nobody wants them any more."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from suite.warm.owner import WarmPython
from tests.patience import PATIENCE, eventually, runs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmPython]:
    python = WarmPython(["numpy", "no_such_module"])
    yield python
    python.close()


def started(warm: WarmPython, folder: Path, text: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
    (folder / "told.py").write_text(text)
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        warm.command("told", *arguments),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def said(process: subprocess.Popen[str], asked: str = "") -> tuple[int, str, str]:
    out, err = process.communicate(asked, timeout=PATIENCE)
    return process.returncode, out, err


def test_a_copy_takes_over_what_its_client_came_with(warm: WarmPython, tmp_path: Path) -> None:
    text = (
        "import os, sys\nprint(sys.argv[1:], os.getcwd(), os.environ['WORD'], 'HOME' in os.environ, sys.stdin.read())"
    )
    text += "\nprint('complaint', file=sys.stderr)\nprint(__name__, 'numpy' in sys.modules)"
    process = started(warm, tmp_path, text, "a b", "-c", env={"WORD": "hello\nthere"})
    assert said(process, "asked") == (
        0,
        f"['a b', '-c'] {tmp_path} hello\nthere False asked\n__main__ True\n",
        "complaint\n",
    )


def test_nothing_of_one_copy_is_seen_by_the_next(warm: WarmPython, tmp_path: Path) -> None:
    text = "import os, sys, numpy\nprint(os.environ.get('LEAK'), hasattr(numpy, 'leak'), os.getcwd())\n"
    text += "os.environ['LEAK'] = numpy.leak = 'x'\nos.chdir('/')\nsys.modules.clear()\nos._exit(5)"
    text = text.replace("print(", "os.write(1, str((").replace("getcwd())\n", "getcwd())).encode())\n")
    expected = (5, str((None, False, str(tmp_path))), "")
    assert [said(started(warm, tmp_path, text)) for _ in range(2)] == [expected] * 2


def test_copies_draw_different_random_numbers(warm: WarmPython, tmp_path: Path) -> None:
    text = "import numpy, random\nprint(numpy.random.rand(), random.random())"
    drawn = [said(started(warm, tmp_path, text))[1].split() for _ in range(2)]
    assert len({number for numbers in drawn for number in numbers}) == 4


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("pass", 0),
        ("sys.exit(3)", 3),
        ("os._exit(4)", 4),
        ("raise ValueError('no')", 1),
        ("os.kill(os.getpid(), 9)", -9),
        ("signal.signal(15, signal.SIG_DFL); os.kill(os.getpid(), 15)", -15),
    ],
)
def test_the_client_ends_as_its_copy_ends(warm: WarmPython, tmp_path: Path, ending: str, code: int) -> None:
    text = f"import atexit, os, signal, sys\natexit.register(print, 'last words')\n{ending}"
    ended, out, err = said(started(warm, tmp_path, text))
    assert ended == code
    assert (out == "last words\n") == (code in (0, 1, 3))
    assert ("ValueError: no" in err) == (code == 1)


SLEEPER = "import os, signal, subprocess, sys, time\nchild = subprocess.Popen(['sleep', '600'], stdout=2)\n"
SLEEPER += "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nprint(os.getpid(), child.pid, flush=True)\n"
SLEEPER += "time.sleep(600)"


def pids(process: subprocess.Popen[str]) -> list[psutil.Process]:
    assert process.stdout is not None
    return [psutil.Process(int(number)) for number in process.stdout.readline().split()]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(map(runs, processes))


def test_a_signal_reaches_the_copy(warm: WarmPython, tmp_path: Path) -> None:
    process = started(warm, tmp_path, SLEEPER)
    copy, child = pids(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 7
    child.kill()
    eventually(lambda: gone([copy, child]))


def test_a_client_that_is_killed_takes_its_copy_with_it_and_no_other(warm: WarmPython, tmp_path: Path) -> None:
    first, second = (started(warm, tmp_path, SLEEPER) for _ in range(2))
    of_first, of_second = pids(first), pids(second)
    first.kill()
    eventually(lambda: gone(of_first))
    assert all(process.is_running() for process in of_second)
    second.kill()
    eventually(lambda: gone(of_second))
    assert warm.alive


def test_the_process_and_its_copies_end_with_their_owner(tmp_path: Path) -> None:
    python = WarmPython([])
    copy = pids(started(python, tmp_path, SLEEPER))
    python.close()
    python.close()
    eventually(lambda: gone(copy))
    assert not python.alive
    assert not python.folder.exists()


def test_a_copy_is_in_the_namespaces_of_its_client(warm: WarmPython, tmp_path: Path) -> None:
    """Else what runs in an emulated host would talk over the machine's own network."""
    names = ("user", "mnt", "uts", "net")
    (tmp_path / "told.py").write_text(f"import os\nfor one in {names}: print(os.readlink('/proc/self/ns/' + one))")
    elsewhere = ["unshare", "--user", "--map-root-user", "--mount", "--uts", "--net"]
    client = shlex.join(warm.command("told"))
    script = f"for one in {' '.join(names)}; do readlink /proc/self/ns/$one; done; {client}"
    ended = subprocess.run([*elsewhere, "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    if "unshare failed" in ended.stderr:
        pytest.skip(f"no namespaces here: {ended.stderr.strip()}")
    own = [str(Path(f"/proc/self/ns/{one}").readlink()) for one in names]
    said = ended.stdout.split()
    assert said[:4] == said[4:], ended.stderr
    assert not set(said) & set(own)


def test_one_can_wait_for_the_imports(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time, pathlib\ntime.sleep(0.3)\n(pathlib.Path(__file__).parent / 'imported').touch()"
    )
    python = WarmPython(["slow"], {"PYTHONPATH": str(tmp_path)})
    try:
        python.wait()
        assert (tmp_path / "imported").exists()
    finally:
        python.close()
    python.wait()  # nobody is there any more


def test_a_client_says_that_there_is_no_warm_process(tmp_path: Path) -> None:
    python = WarmPython([])
    python.close()
    code, _, err = said(started(python, tmp_path, "pass"))
    assert code == 1
    assert err.startswith(f"the warm process behind {python.entrance.path} is gone (")


def test_an_owner_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(SLEEPER)
    text = "import subprocess, sys, time\nfrom suite.warm.owner import WarmPython\nwarm = WarmPython([])\n"
    text += (
        "print(warm.process.pid, flush=True)\nsubprocess.Popen(warm.command('told'), cwd=sys.argv[1])\ntime.sleep(600)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", text, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    family = pids(owner) + pids(owner)
    owner.kill()
    owner.wait()
    eventually(lambda: gone(family))
