"""Arrays that somebody else handed over: whether a verdict can be computed from them, and whether two are the same."""

import io
import tokenize

import numpy as np
import torch

from fingerprinting.calibrated import contents
from fingerprinting.calibrated.contents import TRANSFER
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.store import Fingerprint

WHOLE, TRUTH, REAL = (torch.int64,), (torch.bool,), (torch.float32, torch.float64)
# Name -> types, and a letter for each side: n queries, c control queries, C classes; equal letters are equal lengths.
ALWAYS = {
    "labels": (WHOLE, "n"),
    "truth": (WHOLE, "n"),
    "component": (WHOLE, "n"),
    "source_logits": (REAL, "nC"),
    contents.CONTROL_TRUTH: (WHOLE, "c"),
    contents.CONTROL_ACCURACY: (REAL, "j"),
}
TWINS = {
    contents.TWINS: (WHOLE, "kn"),
    contents.SUBTRACTED: (TRUTH, "kn"),
    contents.INDEPENDENT: (REAL, "m"),
}
OF_MODELS = {
    contents.CONTRIBUTIONS: (REAL, "mn"),
    contents.LEARNED: (TRUTH, "mn"),
    contents.DATA: (WHOLE, "m"),
}  # of fingerprints that were made since these are kept
MOVED_TWINS = {
    TRANSFER + contents.TWINS: (WHOLE, "tn"),
    TRANSFER + contents.SUBTRACTED: (TRUTH, "tn"),
    TRANSFER + contents.INDEPENDENT: (REAL, "u"),
    TRANSFER + contents.SOURCE: (WHOLE, "n"),
}
CENTRE, COEFFICIENTS, INTERCEPTS = contents.WEIGHTS
REFERENCES = {
    CENTRE: (REAL, "n"),
    COEFFICIENTS: (REAL, "an"),
    INTERCEPTS: (REAL, "a"),
    contents.INDEPENDENT: (REAL, "m"),
    contents.STOLEN: (REAL, "s"),
}
MOVED_REFERENCES = {
    TRANSFER + CENTRE: (REAL, "p"),
    TRANSFER + COEFFICIENTS: (REAL, "bp"),
    TRANSFER + INTERCEPTS: (REAL, "b"),
    TRANSFER + contents.INDEPENDENT: (REAL, "u"),
    TRANSFER + contents.STOLEN: (REAL, "v"),
}


def check(fingerprint: Fingerprint, classes: int, name: str) -> None:
    """UserError unless all arrays are there, and no others, with the types and shapes of a calibrated fingerprint."""
    extra = fingerprint.extra
    arrays = {part: getattr(fingerprint, part) for part in store.TENSORS} | extra
    inputs, controls = arrays.pop("inputs"), arrays.pop(contents.CONTROL_INPUTS, torch.empty(0))
    if contents.TWINS in extra:
        wanted = ALWAYS | TWINS | {name: wanted for name, wanted in OF_MODELS.items() if name in extra}
        wanted |= MOVED_TWINS if contents.TRANSFERRED_TWINS in extra else {}
    else:
        wanted = ALWAYS | REFERENCES | (MOVED_REFERENCES if contents.FOR_TRANSFER in extra else {})
    right = (
        set(arrays) == set(wanted)
        and inputs.dim() > 1
        and (inputs.shape[1:], inputs.dtype) == (controls.shape[1:], controls.dtype)
        and all(tensor.dtype in wanted[part][0] for part, tensor in arrays.items())
        and _fit(arrays, wanted, {"n": len(inputs), "c": len(controls), "C": classes})
        and all(bool(tensor.isfinite().all()) for tensor in (inputs, controls, *arrays.values()))
        and bool(((accuracy := arrays[contents.CONTROL_ACCURACY]) >= 0).all() and (accuracy <= 1).all())
    )
    if not right:
        raise UserError(f"{name} holds no arrays that a verdict can be passed by; get the case again")


def _fit(arrays: dict[str, torch.Tensor], wanted: dict, sides: dict[str, int]) -> bool:
    """Whether equal letters are equal lengths, none of them zero."""
    sides = {**sides, "p": sides["n"] * (sides["n"] - 1) // 2}
    for part, (_, letters) in wanted.items():
        if arrays[part].dim() != len(letters):
            return False
        for letter, length in zip(letters, arrays[part].shape, strict=True):
            if sides.setdefault(letter, length) != length:
                return False
    return all(length > 0 for letter, length in sides.items() if letter != "p")


def is_saved(content: bytes, expected: np.ndarray) -> bool:
    """Whether a file of NumPy's holds that very array; nothing of it is built before its size is known."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        shape, by_columns, kind = np.lib.format.read_array_header_1_0(file)
    except (ValueError, TypeError, EOFError, OverflowError, SyntaxError, tokenize.TokenError):
        return False
    about = (version, shape, by_columns, kind)
    return about == ((1, 0), expected.shape, False, expected.dtype) and file.read() == expected.tobytes()
