"""Write `results.md` from what the last runs of the programs noted: `python -m tests.thirdparty.table`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.thirdparty.cells import PERIOD, REFUSED, ROWS, TENSORFLOW, TORCH, Cell, read
from tests.thirdparty.overlay import REQUIREMENTS

RESULTS = Path(__file__).with_name("results.md")


def word(cell: Cell | None, errors: list[str]) -> str:
    if cell is None:
        return "–"
    if cell.outcome == "works":
        return "works" if cell.from_serial is None else f"{cell.from_serial:.0e}"
    if cell.outcome not in errors:
        errors.append(cell.outcome)
    return f"[{errors.index(cell.outcome) + 1}]"


def table(
    title: str, programs: Mapping[str, str], cells: Mapping[tuple[str, str], Cell], errors: list[str]
) -> list[str]:
    lines = [f"## {title}", "", f"| program | {' | '.join(ROWS)} |", "|---" * (len(ROWS) + 1) + "|"]
    for program, said in programs.items():
        row = [word(cells.get((program, name)), errors) for name in ROWS]
        lines.append(f"| {said} (`{program}`) | {' | '.join(row)} |")
    return [*lines, ""]


def main() -> None:
    cells = {(cell.program, cell.algorithm): cell for cell in read()}
    errors: list[str] = []
    versions = ", ".join(line for line in REQUIREMENTS.read_text().splitlines() if "==" in line)
    body = [
        "# Trainers and programs, with every algorithm at its default settings",
        "",
        f"Made by `make test-thirdparty` ({versions}; the rest as `make setup` pins it).",
        "Two ranks, float64, small nets. *Works*: the loss falls, and what one evaluates is equal on both ranks, bit for",
        "bit, when training has ended (each worker's own with `no_communication`; of a GAN, whose losses need not fall,",
        "parameters are finite). A *number* is the largest difference to the serial run of the same batches, where an",
        "algorithm promises none; at most 1e-6 passes. *[n]* is an error, below, on both ranks. *–* was not run. A step",
        "that waits where it need not is warned of, and programs that leave clipping to `clip_norm=` run with that warning",
        f"as an error. `local_sgd`, `slowmo` and `diloco` have an argument, `period={PERIOD}`, which divides the steps:",
        "training that ends between two of their rounds leaves workers apart, or has evaluation see nothing of what came",
        "after the last. Adasum is not in a Horovod without MPI.",
        "",
        *table("PyTorch", TORCH, cells, errors),
        *table("Keras", TENSORFLOW, cells, errors),
        "## Errors",
        "",
        *(f"{number}. {error}" for number, error in enumerate(errors, 1)),
        "",
        f"Expected, and tested to be said: {'; '.join(sorted(set(REFUSED.values())))}.",
        "",
    ]
    RESULTS.write_text("\n".join(body))
    wrong = [cell for cell in cells.values() if cell.outcome.startswith("WRONG")]
    print(f"{len(cells)} cells, {len(wrong)} wrong: {RESULTS.name}")


if __name__ == "__main__":
    main()
