"""However one rank ends, the job ends soon, and the other rank says why it stopped."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from suite.cluster.horovodrun import horovodrun
from suite.warm.owner import Entrance

ROOT = Path(__file__).parents[2]
STOPPED = "RankStopped: another rank has stopped, so this one cannot go on"


@pytest.mark.parametrize(
    ("algorithm", "ending", "said"),
    [
        ("blocking", "raises", STOPPED),
        ("forward", "raises", STOPPED),
        ("delayed", "raises", STOPPED),
        ("forward", "interrupted", STOPPED),
        ("delayed", "leaves", STOPPED),
        ("forward", "finishes", "1 of 2 ranks called finish() while this one made another step"),
        ("blocking", "killed", ""),  # horovodrun ends the others at once, and may leave them no time to speak
    ],
)
def test_the_others_end_too(algorithm: str, ending: str, said: str, tmp_path: Path, warm_torch: Entrance) -> None:
    log = tmp_path / "log"
    program = warm_torch.command("tests.torch.endings", algorithm, ending, str(tmp_path))
    with log.open("w") as output:
        job = subprocess.Popen(
            horovodrun(2, [("localhost", 2)], program), stdout=output, stderr=subprocess.STDOUT, cwd=ROOT
        )
        try:
            begun = None
            while job.poll() is None:
                time.sleep(0.1)
                if begun is None and "ending now" in log.read_text():
                    begun = time.monotonic()
                assert begun is None or time.monotonic() - begun < 30, f"still running:\n{log.read_text()}"
        finally:
            job.kill()
    text = log.read_text()
    assert "ending now" in text, text
    assert job.returncode != 0, text
    assert "trained to the end" not in text, text
    assert said in text, text
