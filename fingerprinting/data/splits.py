"""Who may see which example: owner, attacker, reference, dev and test, cut once, by name."""

import hashlib
from collections.abc import Iterator

import numpy as np
import torch

from fingerprinting.core.errors import UserError
from fingerprinting.core.runtime import seed_from
from fingerprinting.data.datasets import Dataset, Examples

PARTIES = {"owner": 2 / 5, "attacker": 2 / 5, "reference": 1 / 5}
ALL_OWNED = {"owner": 4 / 5, "attacker": 0.0, "reference": 1 / 5}  # where no part plays the attacker


def first_of_its_content(inputs: torch.Tensor, seen: set[bytes]) -> torch.Tensor:
    """Indices of inputs whose content is not in `seen` and did not come earlier; `seen` grows by them."""
    kept = []
    for index, content in enumerate(content_of(inputs)):
        if content not in seen:
            seen.add(content)
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long)


def content_of(inputs: torch.Tensor) -> Iterator[bytes]:
    """A digest of each input, by which it is known again."""
    for row in inputs.flatten(1).numpy():
        yield hashlib.blake2b(row.tobytes(), digest_size=16).digest()


def stratified(labels: torch.Tensor, fractions: dict[str, float], seed: int) -> dict[str, torch.Tensor]:
    """Cut range(N) by class into disjoint, complete parts of the given fractions (which sum to 1).

    labels (N,). Each class is shuffled by a generator of its own, so that adding examples of one class leaves the
    others' cut as it was.
    """
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in fractions}
    for label in labels.unique().tolist():
        members = np.random.default_rng([seed, int(label)]).permutation(np.flatnonzero(labels.numpy() == label))
        edges = np.rint(np.cumsum(list(fractions.values()))[:-1] * len(members)).astype(int)
        for name, piece in zip(fractions, np.split(members, edges), strict=True):
            pieces[name].append(piece)
    return {
        name: torch.from_numpy(np.sort(np.concatenate([np.empty(0, int), *parts]))) for name, parts in pieces.items()
    }


def by_group(
    groups: torch.Tensor, fractions: dict[str, float], seed: int, strata: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    """Cut range(N) into disjoint, complete parts of whole groups (N,), the groups in the given fractions.

    strata (N,), the same within a group: each part gets its share of the groups of every stratum.
    """
    names = groups.unique()
    if strata is None or len(strata.unique()) == 1:
        chosen = stratified(torch.zeros(len(names), dtype=torch.long), fractions, seed)
    else:
        chosen = dealt(torch.stack([strata[groups == name][0] for name in names]), fractions, seed)
    return {part: torch.isin(groups, names[rows]).nonzero().flatten() for part, rows in chosen.items()}


def dealt(strata: torch.Tensor, fractions: dict[str, float], seed: int) -> dict[str, torch.Tensor]:
    """Cut range(N) into parts by dealing it out, one stratum (N,) after the other, each in an order of its own.

    The next one goes to the part that lacks most of its fraction: small strata are not all rounded to the same part.
    """
    rows = [np.flatnonzero(strata.numpy() == stratum) for stratum in strata.unique().tolist()]
    order = [
        row for place, members in enumerate(rows) for row in np.random.default_rng([seed, place]).permutation(members)
    ]
    shares = np.array(list(fractions.values()))
    pieces: list[list[int]] = [[] for _ in fractions]
    for place, row in enumerate(order, 1):
        lacking = place * shares - [len(piece) for piece in pieces]
        pieces[int(lacking.argmax())].append(int(row))
    return {name: torch.tensor(sorted(piece), dtype=torch.long) for name, piece in zip(fractions, pieces, strict=True)}


def cut(dataset: Dataset, pool_size: int | None, split_seed: int) -> dict[str, Examples]:
    """The five parts of a data set; they depend on its name, its sizes and the split seed only.

    Repeats are dropped first, so that no example reaches a second party under another index: what stands in test or
    dev is dropped from the pool. `pool_size` takes a stratified share of the pool, and of dev and test with it.
    """
    seen: set[bytes] = set()
    held_out = {name: part for name, part in (("test", dataset.test), ("dev", dataset.dev)) if part is not None}
    distinct = {name: part.take(first_of_its_content(part.inputs, seen)) for name, part in held_out.items()}
    kept = first_of_its_content(dataset.pool.inputs, seen)
    seed = seed_from(f"split/{dataset.name}/{len(dataset.pool)}/{len(dataset.test)}/{split_seed}")
    share = min(1.0, pool_size / len(dataset.pool)) if pool_size else 1.0
    sized = {"chosen": share, "left": 1 - share}
    parts = {name: part.take(stratified(part.targets, sized, seed)["chosen"]) for name, part in distinct.items()}
    if dataset.dev is None:
        halves = stratified(parts["test"].targets, {"dev": 1 / 2, "test": 1 / 2}, seed + 1)
        parts.update({name: parts["test"].take(indices) for name, indices in halves.items()})
    chosen = kept[stratified(dataset.pool.targets[kept], sized, seed)["chosen"]]
    parties = ALL_OWNED if dataset.all_owned else PARTIES
    if dataset.groups is None:
        drawn = stratified(dataset.pool.targets[chosen], parties, seed + 2)
    else:
        strata = None if dataset.strata is None else dataset.strata[chosen]
        drawn = by_group(dataset.groups[chosen], parties, seed + 2, strata)
    for name, rows in drawn.items():
        parts[name] = dataset.pool.take(chosen[rows])
    for name, part in parts.items():
        if parties.get(name) != 0 and len(part.targets.unique()) < len(dataset.classes):
            raise UserError(
                f"the {name} part of {dataset.name} ({len(part)} examples) lacks some of its {len(dataset.classes)} "
                "classes; give more data or a larger tier"
            )
    return parts
