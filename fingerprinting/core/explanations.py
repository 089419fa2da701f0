"""What comments say of constants: read from the sources, for --help."""

import ast
import io
import sys
import textwrap
import tokenize
from collections.abc import Collection, Iterator
from functools import lru_cache
from pathlib import Path

from fingerprinting.core.places import REPOSITORY

WIDTH = 110  # of a line of --help
SCREEN = 100  # of a line where it fits a screen


def of(script: dict, constants: dict) -> dict[str, str]:
    """Constant -> the comment beside it, in the script or in the module of this project that has this very value.

    A table CONSTANTS of the script may say by itself what its entries are.
    """
    own = dict(getattr(script.get("CONSTANTS"), "said", {}))
    if "__file__" in script:
        own |= comments(script["__file__"])
    return {name: own[name] if name in own else _elsewhere(name, value) for name, value in constants.items()}


def _elsewhere(name: str, value) -> str:
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        its_own = path and Path(path).is_relative_to(REPOSITORY) and name in vars(module)
        if its_own and vars(module)[name] is value and (said := comments(path).get(name)):
            return said
    for module in list(sys.modules.values()):  # an entry of a table: of all steps, or of a domain
        tables = (vars(module).get("COMMON"), getattr(vars(module).get("DOMAIN"), "constants", None))
        here = any(isinstance(table, dict) and name in table and table[name] is value for table in tables)
        if here and (said := comments(module.__file__).get(name)):
            return said
    return ""


@lru_cache
def comments(path: str) -> dict[str, str]:
    """Constant or entry of a table in capitals -> its comment: on its lines, else on those right above."""
    text = Path(path).read_text(encoding="utf-8")
    lines = text.splitlines()
    beside: dict[int, str] = {}
    alone: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            place = alone if lines[token.start[0] - 1].lstrip().startswith("#") else beside
            place[token.start[0]] = token.string.lstrip("# ")
    found: dict[str, str] = {}
    for name, first, last in _assigned(ast.parse(text)):
        on_its_lines = [comment for line in range(first, last + 1) if (comment := beside.get(line) or alone.get(line))]
        above = first - 1
        while above in alone:
            above -= 1
        said = on_its_lines or [alone[line] for line in range(above + 1, first)]
        found.setdefault(name, " ".join(said))
    return found


def _assigned(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    """Names in capitals that are given a value, with the first and the last line of it; a module's own first."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            yield node.targets[0].id, node.lineno, node.end_lineno or node.lineno
    for inner in ast.walk(tree):
        if isinstance(inner, ast.keyword) and inner.arg and inner.arg.isupper():
            yield inner.arg, inner.lineno, inner.end_lineno or inner.lineno
        elif isinstance(inner, ast.Dict):
            for key, value in zip(inner.keys, inner.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value.isupper():
                    yield key.value, key.lineno, value.end_lineno or key.lineno


def shown(name: str, held: str, value, said: str) -> str:
    """A constant as --help shows it: what holds, the table that it is from, and what its comment says."""
    lines = [f"  {name} = {held}"]
    if isinstance(value, dict):
        lines += textwrap.wrap(table(value), WIDTH, initial_indent="      ", subsequent_indent="      ")
    if said:
        lines += textwrap.wrap(f"# {said}", WIDTH, initial_indent="      ", subsequent_indent="      # ")
    return "\n".join(lines)


def in_brief(held: dict[str, str], said: dict[str, str], own: Collection[str]) -> str:
    """Constants as they hold, on a screen: a line for each of a script's own, the others together."""
    lines = [f"  {name}={held[name]}  # {said[name]}" for name in own]
    others = ", ".join(f"{name}={value}" for name, value in held.items() if name not in own)
    shared = f"Those of every script (docs/steps.md): {others}" if others else ""
    return "\n".join([*lines, *textwrap.wrap(shared, SCREEN)])


def table(value: dict) -> str:
    """A table by tier or domain on one line."""
    if any(isinstance(part, dict) for part in value.values()):
        return "; ".join(f"{key}: {table(part) if isinstance(part, dict) else part}" for key, part in value.items())
    return ", ".join(f"{key} {part}" for key, part in value.items())
