"""Where in a JSON response the class stands: a small part of JSONPath (RFC 9535).

    $.label    $.predictions[0].class    $['a name']["another"]    $.items[*].label    $.scores[-1]

A path begins with $; then come names (.name, ['name'] or ["name"]), places in a list ([0]; [-1] is the last) and [*]
or .*, all of a list or of an object. No filters, no slices, no `..`.
"""

import re

from fingerprinting.core.errors import UserError

Step = str | int | None  # a name, a place, or all of them
STEP = re.compile(
    r"""\.(?P<name>[^\s.\[\]*'"]+) | (?P<all>\.\*|\[\s*\*\s*\]) | \[\s*(?P<place>-?[0-9]{1,9})\s*\]
    | \[\s*'(?P<single>(?:[^'\\]|\\.)*)'\s*\] | \[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\]""",
    re.VERBOSE,
)


def parse(path: str) -> list[Step]:
    """The steps of a path; UserError where it is none."""
    text, at, steps = path.strip(), 1, list[Step]()
    if not text.startswith("$"):
        raise UserError(f"the path {path!r} does not begin with $; give one like $.predictions[0].label")
    while at < len(text):
        found = STEP.match(text, at)
        if found is None:
            raise UserError(f"the path {path!r} is not understood from {text[at : at + 20]!r} on; see docs/suspects.md")
        steps.append(_step(found))
        at = found.end()
    return steps


def _step(found: re.Match) -> Step:
    if found["all"]:
        return None
    if found["place"]:
        return int(found["place"])
    if found["name"] is not None:
        return found["name"]
    quoted = found["single"] if found["single"] is not None else found["double"]
    return re.sub(r"\\(.)", r"\1", quoted)


def matches(steps: list[Step], value: object) -> list:
    """All that the path leads to, in order; nothing where it leads nowhere."""
    found = [value]
    for step in steps:
        found = [inner for one in found for inner in _inside(one, step)]
    return found


def _inside(value: object, step: Step) -> list:
    if step is None:
        return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(step, str):
        return [value[step]] if isinstance(value, dict) and step in value else []
    if isinstance(value, list) and -len(value) <= step < len(value):
        return [value[step]]
    return []


def has_all(steps: list[Step]) -> bool:
    return None in steps
