"""How two representations are compared: the suspect's and the source's."""

import torch
import torch.nn.functional as F  # the field's standard name


def euclidean(suspect: torch.Tensor, source: torch.Tensor) -> float:
    return torch.linalg.vector_norm(suspect - source).item()


def mean_absolute(suspect: torch.Tensor, source: torch.Tensor) -> float:
    return (suspect - source).abs().mean().item()


def total_absolute(suspect: torch.Tensor, source: torch.Tensor) -> float:
    return (suspect - source).abs().sum().item()


def hamming(suspect: torch.Tensor, source: torch.Tensor) -> float:
    """Share of responses that differ."""
    return (suspect != source).double().mean().item()


def cosine(suspect: torch.Tensor, source: torch.Tensor) -> float:
    """1 - cosine, as half the squared distance on the unit sphere: exactly 0 for equal representations."""
    return (F.normalize(suspect.double(), dim=0) - F.normalize(source.double(), dim=0)).square().sum().item() / 2


def shortfall(suspect: torch.Tensor, source: torch.Tensor) -> float:
    """How much less evidence () the suspect gives than the source itself; below 0 where it gives more."""
    return (source - suspect).item()
