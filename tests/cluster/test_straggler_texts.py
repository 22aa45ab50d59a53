"""Stragglers as text: what is understood, and that nothing else is."""

from pathlib import Path

import pytest

from suite.cluster.stragglers import KINDS, Straggler, parse
from suite.cluster.stragglers.distributions import Bimodal, Exponential, Lognormal, Pareto
from suite.cluster.stragglers.processes import Constant, PeriodicPause, Process, Random


@pytest.mark.parametrize(
    ("text", "ranks", "unit", "process"),
    [
        ("constant:factor=3,rank=1", (1,), "compute", Constant(delay=2)),
        ("constant:delay=50ms", None, "seconds", Constant(delay=0.05)),
        ("exponential", None, "compute", Random(distribution=Exponential(mean=1))),
        ("exponential:mean=50ms", None, "seconds", Random(distribution=Exponential(mean=0.05))),
        ("lognormal:sigma=1,rank=3", (3,), "compute", Random(distribution=Lognormal(mean=1, sigma=1))),
        ("pareto:alpha=1.5,mean=2s,rank=2+0", (0, 2), "seconds", Random(distribution=Pareto(mean=2, alpha=1.5))),
        (
            "bimodal:probability=0.05,slow=4x,correlation=0.5,persistence=0.9",
            None,
            "compute",
            Random(distribution=Bimodal(slow=4, probability=0.05), correlation=0.5, persistence=0.9),
        ),
        ("pause:every=50,length=0.5", None, "seconds", PeriodicPause(every=50, length=0.5)),
    ],
)
def test_what_is_understood(text: str, ranks: tuple[int, ...] | None, unit: str, process: Process) -> None:
    straggler = parse(text)
    assert (straggler.ranks, straggler.unit, straggler.process, straggler.cores) == (ranks, unit, process, None)
    assert straggler.text == text
    assert straggler.limit_seconds == 20


def test_a_quota_and_a_limit() -> None:
    assert parse("quota:cores=0.5,rank=1") == Straggler(text="quota:cores=0.5,rank=1", ranks=(1,), cores=0.5)
    assert parse("exponential:mean=1s,limit=1500ms").limit_seconds == 1.5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "unknown kind ''"),
        ("lognorm:sigma=1", "unknown kind 'lognorm'; did you mean 'lognormal'?"),
        ("constant", "factor is missing"),
        ("constant:factor=0.5", "factor is 0.5, must be at least 1"),
        ("constant:factor=2,delay=1s", "unknown key 'factor'"),
        ("constant:factor=nan", "factor is nan"),
        ("exponential:mean=-1s", "mean is -1"),
        ("exponential:mean=1h", "mean is 1h, must be a time like"),
        ("exponential:mean=1e999s", "mean is 1e999"),
        ("exponential:scale=1s", "unknown key 'scale'"),
        ("exponential:men=1s", "unknown key 'men'; did you mean 'mean'?"),
        ("exponential:mean=1s,mean=2s", "mean is given twice"),
        ("exponential:mean", "'mean' is not key=value"),
        ("lognormal:mean=1s", "sigma is missing"),
        ("lognormal:sigma=0", "sigma is 0, must be above 0"),
        ("pareto:alpha=1", "alpha is 1, must be above 1"),
        ("bimodal:probability=1.5,slow=1s", "probability is 1.5, must be at least 0 and at most 1"),
        ("bimodal:probability=0.5", "slow is missing"),
        ("exponential:correlation=1", "correlation is 1, must be at least 0 and at most 0.999"),
        ("exponential:persistence=-0.5", "persistence is -0.5"),
        ("exponential:rank=-1", "rank is -1"),
        ("exponential:rank=1-3", "rank is 1-3"),
        ("exponential:limit=2x", "limit is 2x, must be a time"),
        ("exponential:limit=0s", "limit is 0, must be above 0"),
        ("pause:every=0,length=1s", "every is 0, must be a whole number of at least 1"),
        ("pause:every=1.5,length=1s", "every is 1.5"),
        ("trace", "file is missing"),
        ("trace:file=/nowhere.csv", "cannot be read"),
        ("quota:cores=0", "cores is 0, must be at least 0.1"),
        ("quota:cores=1,limit=1s", "unknown key 'limit'"),
    ],
)
def test_what_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert complaint in str(caught.value)
    assert f"straggler {text!r}" in str(caught.value)


def test_every_kind_is_explained_where_the_texts_are() -> None:
    import suite.cluster.stragglers.parsing as module

    assert module.__doc__
    for kind in KINDS:
        example = next(line.split()[0] for line in module.__doc__.splitlines() if line.strip().startswith(f"{kind}:"))
        if kind != "trace":  # its file does not exist
            assert parse(example).text == example


def test_ranks_must_be_in_the_job() -> None:
    straggler = parse("constant:factor=2,rank=0+3")
    straggler.check(4)
    with pytest.raises(ValueError, match="slows rank 3, must be below 3"):
        straggler.check(3)
    with pytest.raises(ValueError, match="rank is 4, must be between 0 and 3"):
        straggler.delays(4, 4, seed=0)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "holds no delays"),
        ("# only words\n", "holds no delays"),
        ("0.1,a\n", "cannot be read"),
        ("0.1,0.2\n0.1\n", "cannot be read"),
        ("0.1,-0.2\n", "step 0, rank 1 is -0.2"),
        ("0.1,nan\n", "must be finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_a_bad_trace_is_refused_before_anything_starts(tmp_path: Path, content: str, complaint: str) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(content)
    with pytest.raises(ValueError) as caught:
        parse(f"trace:file={file}")
    assert complaint in str(caught.value)


def test_a_trace_needs_a_column_per_rank(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("0.1,0.2\n0.3,0.4\n")
    straggler = parse(f"trace:file={file}")
    straggler.check(2)
    with pytest.raises(ValueError, match="columns for 2 ranks, the job has 3"):
        straggler.check(3)
