"""Inputs inside records, eight bits a value: enough to be looked at, so that pictures can be drawn without models."""

import base64
import zlib

import numpy as np
import torch

LEVELS = 255


def thumbnail(values: torch.Tensor) -> dict:
    """values (...) of any range -> plain data that a record can hold."""
    low, high = values.min().item(), values.max().item()
    levels = ((values.double() - low) / ((high - low) or 1.0) * LEVELS).round().to(torch.uint8).numpy()
    packed = base64.b85encode(zlib.compress(np.ascontiguousarray(levels).tobytes(), 9)).decode("ascii")
    return {"shape": list(values.shape), "low": low, "high": high, "levels": packed}


def restored(kept: dict) -> torch.Tensor:
    """What `thumbnail` kept (...), float32, within half a level of what it was."""
    levels = np.frombuffer(zlib.decompress(base64.b85decode(kept["levels"])), np.uint8).reshape(kept["shape"])
    return torch.from_numpy(levels / LEVELS * (kept["high"] - kept["low"]) + kept["low"]).float()
