"""Put the recorded results into the tables of README.md: ``./run bench report``.

A table stands after a comment that names its file, the place of its rows there, and its columns:
``<!-- near.json workloads: engine p50_us exact -->``. A test holds the page to the files.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["README", "reported"]

FOLDER = Path(__file__).parent
README = FOLDER / "README.md"
# A comment, and what is below it up to an empty line: the table, and how it was made.
TABLE = re.compile(r"(<!-- (\S+\.json) (\S+): ([^>]+) -->\n)(?:[^\n]+\n)*")


def reported(page: str, results: Path) -> str:
    """A page with each of its tables as the results in a folder have it."""
    return TABLE.sub(lambda found: found[1] + _table(results / found[2], found[3], found[4]), page)


def _table(path: Path, place: str, columns: str) -> str:
    result = json.loads(path.read_text(encoding="utf-8"))
    rows = result[place]
    if isinstance(rows, Mapping):  # tables by name become one, the name in front
        rows = [{place: name, **row} for name, table in rows.items() for row in table]
        columns = f"{place} {columns}"
    names = columns.split()
    lines = [
        names,
        ["---"] * len(names),
        *([_text(row.get(name)) for name in names] for row in rows),
    ]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    on = "{cores} cores of {cpu}, Python {python}".format(**result["machine"])
    made = f"`{result['command']}`: {on}, load {result['load_before']}"
    return f"{table}<sub>{made}; [{path.name}](results/{path.name})</sub>\n"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}"
    return "" if value is None else str(value)


def main() -> None:
    page = README.read_text(encoding="utf-8")
    README.write_text(reported(page, FOLDER / "results"), encoding="utf-8")


if __name__ == "__main__":
    main()
