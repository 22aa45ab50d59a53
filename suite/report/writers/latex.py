"""A table as LaTeX that needs no package: `\\input` it where the table should stand. Commands are left out, too wide."""

from __future__ import annotations

from suite.report.content import Column, Entry, Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "×": r"$\times$",
    "†": r"$\dagger$",
    "–": "--",
    "τ": r"$\tau$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "∞": r"$\infty$",
}


def write(table: Table) -> str:
    kept = [place for place, column in enumerate(table.columns) if not (_is_code(table, place) or column.detail)]
    columns = [table.columns[place] for place in kept]
    lines = [
        r"\begin{table}",
        rf"\caption{{{escape(table.caption)}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in columns)}}}",
        r"\hline",
        _row([_heading(column) for column in columns]),
        r"\hline",
        *(_row([_entry(row[place]) for place in kept]) for row in table.rows),
        r"\hline",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Letters beyond ASCII that are not named above stay: current LaTeX reads UTF-8."""
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))


def _is_code(table: Table, place: int) -> bool:
    return any(row[place].code for row in table.rows)


def _heading(column: Column) -> str:
    return escape(column.title)


def _entry(entry: Entry) -> str:
    return escape(entry.text)


def _row(cells: list[str]) -> str:
    # A bracket at the beginning of a row would be read as the argument of the line break before it.
    return " & ".join(f"{{{cell}}}" if cell.startswith("[") else cell for cell in cells) + r" \\"
