"""Which Mitoyen this is."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["VERSION"]

try:
    VERSION = version("mitoyen")
except PackageNotFoundError:  # run from a checkout that is not installed
    VERSION = "0+unknown"
