"""The constants of the baselines' queries, read from their sources, so that --help and a mistake need no torch."""

import ast
from pathlib import Path

from fingerprinting.core import explanations

QUERIES = Path(__file__).parent / "queries"


class Constants(dict[str, object]):
    """Constant -> its value. said: what its comment says."""

    def __init__(self, sources: list[Path]) -> None:
        super().__init__()
        self.said: dict[str, str] = {}
        for source in sources:
            own = _assigned(source)
            self.update(own)
            self.said |= {name: explanations.comments(str(source))[name] for name in own}


def _assigned(source: Path) -> dict[str, object]:
    """A module's constants that begin with its name, which are made of literals and dict(...)."""
    prefix = f"{source.stem.upper()}_"
    found = {}
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name.startswith(prefix):
                found[name] = eval(ast.unparse(node.value), {"__builtins__": {"dict": dict}})
    return found


OF_BASELINES = Constants(sorted(QUERIES.glob("*.py")))
