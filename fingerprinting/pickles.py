"""Reading data sets that are published as pickles, without letting a file run code."""

import pickle
from pathlib import Path

from fingerprinting.runtime import UserError

# What plain containers of numpy arrays need, under numpy 1 and 2; anything else in a file is refused.
ADMITTED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def load_arrays(path: Path) -> dict:
    """A pickled dict of numpy arrays, numbers and strings (keys as text); nothing in it is executed."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; see data/README.md for where it comes from")
    try:
        with path.open("rb") as file:
            content = _ArraysOnly(file, encoding="latin1").load()
    except Exception as error:  # whatever an altered file makes of the unpickler, memory errors among it
        raise UserError(f"{path} is truncated or no plain pickle of arrays ({error}); get the file again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not a dict of arrays; get the file again")
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}
