"""Signatures: text as the signs of scale factors, 8 bits per UTF-8 byte, the rest random (Fan et al. 2019)."""

import torch

from fingerprinting.core.errors import UserError


def encode(text: str, channels: int, draw: torch.Generator) -> torch.Tensor:
    """Signs (channels,) of +1 and -1: the text's bits, most significant first, then drawn ones."""
    data = text.encode()
    if 8 * len(data) > channels:
        raise UserError(
            f"the signature {text!r} needs {8 * len(data)} bits, the layer has {channels} channels; "
            f"{fitting(text, channels)} of its {len(text)} characters would fit"
        )
    bits = torch.tensor([byte >> place & 1 for byte in data for place in range(7, -1, -1)], dtype=torch.long)
    drawn = torch.randint(0, 2, (channels - len(bits),), generator=draw)
    return 2.0 * torch.cat([bits, drawn]) - 1


def fitting(text: str, channels: int) -> int:
    """How many of the text's first characters a layer can carry."""
    return len(text.encode()[: channels // 8].decode(errors="ignore"))


def decode(signs: torch.Tensor, length: int) -> str:
    """The text in the first `length` bytes of signs (channels,); bytes that are no UTF-8 are shown as �."""
    bits = (signs[: 8 * length] > 0).long().view(-1, 8)
    return bytes((bits << torch.arange(7, -1, -1)).sum(1).tolist()).decode(errors="replace")
