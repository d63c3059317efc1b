"""What every benchmark shares: interleaved timing, the machine's name, JSON or a table."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

__all__ = ["interleaved_us", "machine", "print_result"]


def interleaved_us(
    engines: Mapping[str, Callable[[], Callable[[int], object]]],
    queries: Mapping[str, int],
    rounds: int,
) -> dict[str, np.ndarray]:
    """Microseconds of every call, the engines taking turns in each round.

    Parameters
    ----------
    engines : mapping of name to callable
        Called before each turn, outside the clock: gives what answers query number i.
    queries : mapping of name to int
        How many queries an engine gets a round; slow ones get fewer.
    rounds : int
        How often all take their turn.

    Returns
    -------
    dict of name to ndarray of float64, shape (rounds * queries,)
    """
    taken: dict[str, list[int]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, ready in engines.items():
            answer = ready()
            for i in range(queries[name]):
                start = time.perf_counter_ns()
                answer(i)
                taken[name].append(time.perf_counter_ns() - start)
    return {name: np.array(times) / 1e3 for name, times in taken.items()}


def machine(*packages: str) -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.machine()


def print_result(
    result: Mapping[str, object],
    as_json: bool,
    tables: Mapping[str, Sequence[Mapping[str, object]]],
) -> None:
    """The result as one JSON object, or its tables for people."""
    if as_json:
        json.dump(result, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    console = Console(width=None if sys.stdout.isatty() else 120)
    for title, rows in tables.items():
        table = Table(title=title, title_justify="left")
        for name in rows[0]:
            table.add_column(name)
        for row in rows:
            table.add_row(*(f"{v:,}" if isinstance(v, float) else str(v) for v in row.values()))
        console.print(table)
    console.print(result["machine"])
