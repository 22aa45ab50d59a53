"""What one published number says of a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """Seconds of a step (or of what `what` says), observed and simulated; `fitted`: it was used to fit."""

    what: str
    workers: int
    observed: float
    simulated: float
    fitted: bool

    @property
    def error(self) -> float:
        """Signed, as a share of what was observed."""
        return self.simulated / self.observed - 1


@dataclass(frozen=True)
class Check:
    """One source: what was fitted, and all of its numbers."""

    title: str
    source: str
    unknowns: Mapping[str, float]  # fitted values, by name and unit
    rows: tuple[Row, ...]
    target: float | None = None  # the error that predictions should stay within
    why: str = field(default="")  # where it fails

    def lines(self) -> list[str]:
        """As text, fitted and predicted apart."""
        fitted = ", ".join(f"{name} = {value:.4g}" for name, value in self.unknowns.items())
        text = [f"{self.title} [{self.source}]", f"  fitted: {fitted}"]
        for kind, chosen in (("fitted on", True), ("predicted", False)):
            for row in self.rows:
                if row.fitted is chosen:
                    beyond = self.target is not None and not chosen and abs(row.error) > self.target
                    mark = f"  beyond {self.target:.0%}" if beyond else ""
                    text.append(
                        f"  {kind:9}  {row.what:28} n={row.workers:<3} observed {row.observed:8.4f} s  "
                        f"simulated {row.simulated:8.4f} s  {row.error:+.1%}{mark}"
                    )
        return [*text, f"  why: {self.why}"] if self.why else text
