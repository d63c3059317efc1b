"""Where compiled kernels are kept from one run to the next. Imported before any of them.

Numba keeps them beside the source, else in the user's cache folder. A service often may write
to neither: an installation that root owns, a user without a home. Numba then refuses to define
a cached kernel at all, so such a process gets a private folder that goes with it and compiles
anew at each start, unless ``NUMBA_CACHE_DIR`` names a lasting one.
"""

import atexit
import shutil
import tempfile
from pathlib import Path

from numba import config, njit

try:
    Path.home()  # where there is none, numba would make a folder named "~" in the current one
    njit(cache=True)(lambda: None)
except RuntimeError:
    folder = tempfile.mkdtemp(prefix="mitoyen-kernels-")
    config.CACHE_DIR = folder  # type: ignore[attr-defined]  # numba sets its settings by name
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
