"""Import: files of open data -> records of a store, row by row, each one taken or refused."""

from api.importing.kinds import KIND_NAMES
from api.importing.loading import import_file
from api.importing.report import ImportReport, rejects_file

__all__ = ["KIND_NAMES", "ImportReport", "import_file", "rejects_file"]
