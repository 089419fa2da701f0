"""A domain like another one, with other fields."""

from dataclasses import replace

from fingerprinting.study.domain import PARTS, Domain, holder_of


def changed(domain: Domain, **fields) -> Domain:
    """The domain with other fields, whichever of its parts they stand in."""
    parts = {}
    for part in {holder_of(name) for name in fields} & set(PARTS):
        own = {name: fields.pop(name) for name in list(fields) if holder_of(name) == part}
        parts[part] = replace(getattr(domain, part), **own)
    return replace(domain, **fields, **parts)
