"""Rows as CSV text that a spreadsheet shows and never computes."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Write rows, each a mapping of column names; a column is empty where a row lacks it.

    A text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay numbers.
    """
    written = StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(written, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return written.getvalue()


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
