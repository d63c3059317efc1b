"""What each room offers: one list, and nothing loaded that wasn't asked for."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ["geo", "indexes", "matching", "api"]


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after a statement."""
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_exactly_what_it_imports_from_its_files(room):
    tree = ast.parse((ROOT / room / "__init__.py").read_text())
    imported = [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(getattr(importlib.import_module(room), "__all__", [])) == sorted(imported)


@pytest.mark.parametrize("room", ["indexes", "matching"])
def test_importing_a_room_loads_no_database_and_no_http(room):
    loaded = loaded_by(f"import {room}")
    assert room in loaded
    assert not loaded & {"sqlalchemy", "geoalchemy2", "psycopg", "alembic", "fastapi", "starlette"}
