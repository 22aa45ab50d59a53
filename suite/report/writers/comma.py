"""A table as CSV: values for programs, not rounded for people. What is not known is empty."""

from __future__ import annotations

import csv
import io

from suite.report.content import Entry, Table
from suite.report.formats import machine


def write(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.key for column in table.columns])
    for row in table.rows:
        writer.writerow([_cell(entry, column.numeric) for entry, column in zip(row, table.columns, strict=True)])
    return out.getvalue()


def _cell(entry: Entry, numeric: bool) -> str:
    if entry.value is None:
        return "" if numeric else entry.text
    return machine(entry.value)
