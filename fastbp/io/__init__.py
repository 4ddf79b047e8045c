"""Files, and networks of other libraries: the functions are those of `fastbp.exchange` and `fastbp.files`."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    # what stands on networks is imported when it is asked for: networks import the files
    if name.startswith(("from_", "to_")):
        for home in ("fastbp.exchange", "fastbp.files"):
            found = getattr(import_module(home), name, None)
            if found is not None:
                return found
    raise AttributeError(f"module 'fastbp.io' has no attribute {name!r}")
