"""A study's data: read by its domain, checked, split into parts; kept for the process that has asked for them."""

from functools import lru_cache

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.data import splits
from fingerprinting.data.datasets import Dataset, Examples, physical
from fingerprinting.study.domain import Domain, load_domain


def load_dataset(domain: Domain, name: str) -> Dataset:
    """A domain's data set; UserError where its files are missing or its `load` returns something else."""
    try:
        found = domain.data.load(name)
    except FileNotFoundError as error:
        raise UserError(f"load({name!r}) of {domain.name} finds no {error.filename}; put it there") from error
    if not isinstance(found, Dataset):
        raise UserError(f"load({name!r}) of {domain.name} returned a {type(found).__name__}; it must return a Dataset")
    return found


@lru_cache(maxsize=4)
def dataset(address: str, name: str) -> Dataset:
    """A domain's data set, its inputs inside the domain's range."""
    domain = load_domain(address)
    found = load_dataset(domain, name)
    _check_range(domain, found)
    return found


def _check_range(domain: Domain, found: Dataset) -> None:
    if (bounds := domain.inputs.input_range) is None:
        return
    for part in (found.pool, found.test):
        low, high = (physical(extreme).item() for extreme in (part.inputs.min(), part.inputs.max()))
        if low < bounds[0] or high > bounds[1]:
            raise UserError(
                f"{found.name} has inputs from {low:g} to {high:g}, outside input_range={bounds} of "
                f"{domain.name}, in which queries stay; let load() scale them, or give DOMAIN their range"
            )


@lru_cache(maxsize=4)
def parts(address: str, name: str, tier: str, split_seed: int, pool: int = 0) -> dict[str, Examples]:
    """owner, attacker, reference, dev and test of a data set, of `pool` examples or as many as the tier takes."""
    return splits.cut(dataset(address, name), pool or load_domain(address).of_tier("pool_size", tier), split_seed)


@lru_cache(maxsize=4)
def sha256(address: str, name: str, tier: str, split_seed: int, pool: int = 0) -> str:
    """The content of all parts."""
    held = parts(address, name, tier, split_seed, pool).items()
    return storage.digest({f"{part}/{field}": value for part, of in held for field, value in vars(of).items()})


def forget() -> None:
    """What was read: data of the same names lie elsewhere now."""
    for kept in (dataset, parts, sha256):
        kept.cache_clear()
