"""Where compiled kernels are kept from one run to the next. Imported before any of them.

Numba keeps them beside the source, else in the user's cache folder. A service often may write
to neither: an installation that root owns, a user without a home. Numba then refuses to define
a cached kernel at all, so such a process gets a private folder that goes with it and compiles
anew at each start, unless ``NUMBA_CACHE_DIR`` names a lasting one.
"""

import atexit
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from numba import config, njit

__all__ = ["forget_stale"]

try:
    Path.home()  # where there is none, numba would make a folder named "~" in the current one
    njit(cache=True)(lambda: None)
except RuntimeError:
    folder = tempfile.mkdtemp(prefix="mitoyen-kernels-")
    config.CACHE_DIR = folder  # type: ignore[attr-defined]  # numba sets its settings by name
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def forget_stale(kernel: Any, *modules: str) -> None:
    """Forget what was compiled of a kernel before a module that it calls into changed.

    Numba compiles the functions a kernel calls into it, yet looks only at the kernel's own file
    to tell whether that is still so. Call this once, below the kernels of a file.

    Parameters
    ----------
    kernel : compiled function
        Any of its file.
    modules : str
        Names of imported modules whose functions or constants the file's kernels use.
    """
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return
    changed = max(_changed(name) for name in modules)
    own = Path(str(sys.modules[kernel.__module__].__file__)).stem
    for index in Path(kernel.stats.cache_path).glob(f"{own}.*.nbi"):
        try:
            if index.stat().st_mtime < changed:
                index.unlink()
        except OSError:  # another process forgot it first, or nobody may write here
            continue


def _changed(module: str) -> float:
    return Path(str(sys.modules[module].__file__)).stat().st_mtime
