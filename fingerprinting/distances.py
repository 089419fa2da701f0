"""How two readings are compared: the suspect's and the source's."""

import torch


def euclidean(suspect: torch.Tensor, source: torch.Tensor) -> float:
    return torch.linalg.vector_norm(suspect - source).item()


def mean_absolute(suspect: torch.Tensor, source: torch.Tensor) -> float:
    return (suspect - source).abs().mean().item()


def hamming(suspect: torch.Tensor, source: torch.Tensor) -> float:
    """Share of answers that differ."""
    return (suspect != source).double().mean().item()
