"""Why something is made again: what its stored settings say otherwise than those that are asked for now."""

import json
import re

SHOWN = 40  # characters of a value, at most
# Setting -> what its change means, where the value itself says nothing.
MEANINGS = {
    "data_sha256": "the data are others",
    "parent_sha256": "the model that they start from is another",
    "source_sha256": "the source model is another",
    "primary_sha256": "the primary fingerprint is another",
}


def reasons(before: dict, now: dict) -> list[str]:
    """Both as in a file's metadata; a sentence per setting that differs, constants by their names."""
    old, new = (_flat(json.loads(json.dumps(settings))) for settings in (before, now))
    return [_reason(name, old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)]


def said(before: dict | None, now: dict, *, force: bool, otherwise: str) -> str:
    """The reasons as one text; `otherwise` where no setting differs, and nobody asked for it."""
    return "; ".join(reasons(before, now) if before else []) or ("FORCE=True" if force else otherwise)


def _flat(settings: dict) -> dict:
    """Those inside of tables, such as a recipe's, stand beside the others."""
    flat: dict = {}
    for name, value in settings.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: value}
    return flat


def _reason(name: str, before, now) -> str:
    if name in MEANINGS:
        return MEANINGS[name]
    was, is_ = (_shown(value) for value in (before, now))
    if was is None or is_ is None:
        return f"{name.replace('_', ' ')} changed"
    return f"{name.upper()} was {was}, is {is_}"


def _shown(value) -> str | None:
    """As the command line has it; None where that is too long, or a checksum."""
    text = ",".join(map(str, value)) if isinstance(value, list) else "not set" if value is None else str(value)
    return None if len(text) > SHOWN or re.fullmatch(r"[0-9a-f]{32,}", text) else text
