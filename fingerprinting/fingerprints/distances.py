"""How two representations are compared: the suspect's and the source's."""

import torch
import torch.nn.functional as F  # the field's standard name


def euclidean(suspect: torch.Tensor, source: torch.Tensor) -> float:
    return _apart(suspect, source, 2)


def mean_absolute(suspect: torch.Tensor, source: torch.Tensor) -> float:
    return total_absolute(suspect, source) / source.numel()


def total_absolute(suspect: torch.Tensor, source: torch.Tensor) -> float:
    return _apart(suspect, source, 1)


def _apart(suspect: torch.Tensor, source: torch.Tensor, p: float) -> float:
    """In the L_p norm, without writing down the differences: there are a million of a thousand samples' pairs."""
    one, other = suspect.reshape(1, -1), source.reshape(1, -1)
    return torch.cdist(one, other, p, compute_mode="donot_use_mm_for_euclid_dist").item()


def hamming(suspect: torch.Tensor, source: torch.Tensor) -> float:
    """Share of responses that differ."""
    return (suspect != source).double().mean().item()


def cosine(suspect: torch.Tensor, source: torch.Tensor) -> float:
    """1 - cosine, as half the squared distance on the unit sphere: exactly 0 for equal representations."""
    return _apart(F.normalize(suspect.double(), dim=0), F.normalize(source.double(), dim=0), 2) ** 2 / 2


def aligned_cosine(suspect: torch.Tensor, source: torch.Tensor) -> float:
    """1 - cosine of two tables of weights (k, C'), (k, C), each class beside the one that it is nearest to (Zest 2022).

    Classes are paired from the nearest pair on; those that are left over, where one table has more, are not compared.
    """
    suspect, source = suspect.double(), source.double()
    apart = 1 - F.normalize(suspect, dim=0).T @ F.normalize(source, dim=0)
    pairs = []
    for _ in range(min(apart.shape)):
        pairs.append(divmod(int(apart.argmin()), apart.shape[1]))
        apart[pairs[-1][0]] = apart[:, pairs[-1][1]] = torch.inf
    theirs, ours = map(list, zip(*pairs, strict=True))
    return cosine(suspect[:, theirs].flatten(), source[:, ours].flatten())


def jensen_shannon(suspect: torch.Tensor, source: torch.Tensor) -> float:
    """Mean over rows of the Jensen-Shannon divergence of probabilities (n, C) and (n, C), in nats (DeepJudge 2022)."""
    suspect, source = suspect.double(), source.double()
    middle = torch.special.entr((suspect + source) / 2)
    return (middle - (torch.special.entr(suspect) + torch.special.entr(source)) / 2).sum(1).mean().item()


def shortfall(suspect: torch.Tensor, source: torch.Tensor) -> float:
    """How much less evidence () the suspect gives than the source itself; below 0 where it gives more."""
    return (source - suspect).item()
