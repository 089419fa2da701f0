"""What was found out about a model and its data: protect.json, from which the domain is built wherever it is needed."""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError

FORMAT = 1
FILE, DATA, DOMAIN = "protect.json", "data.safetensors", "domain.py"  # in the owner's folder
MODULE = '''"""The model that protect.py protects here, as all steps take it: DOMAIN={folder}

What was found out about it stands in protect.json, its data as models take them in data.safetensors.
"""

from pathlib import Path

from fingerprinting.protecting import domain

DOMAIN = domain.of_folder(Path(__file__).parent)
'''


@dataclass(frozen=True)
class Network:
    """How the owner's network is built and what it takes: physical inputs times scale, less mean, through std.

    model: what MODEL= said, with absolute paths; empty for the domain's own. colour: grey images become three channels.
    """

    model: str = ""
    modules: str = ""  # the folder that MODEL=, TRAIN= and PREPARE= were imported from
    prepare: str = ""
    train: str = ""
    base: str = ""
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    colour: bool = False
    perturbed: bool = True  # whether it can be trained on adversarial perturbations
    head: str = ""
    prunable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Description:
    """What a domain of the owner's is built from. name: of its folder among models and records."""

    name: str
    kind: str
    dataset: str
    network: Network
    all_owned: bool = False
    limit: str = ""
    source: str = ""  # where it can only be asked


def write(folder: Path, description: Description) -> None:
    content = {"format": FORMAT, **asdict(description)}
    storage.write_text(folder / FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    storage.write_text(folder / DOMAIN, MODULE.format(folder=folder.name))


def read(folder: Path) -> Description:
    """UserError where protect.json is missing or none that protect.py wrote."""
    path = folder / FILE
    if not path.is_file():
        raise UserError(f"{path} does not exist; run protect.py PROTECTED={folder.name}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version, network = content.pop("format"), content["network"]
        described = Description(
            **{**content, "network": Network(**{name: _kept(value) for name, value in network.items()})}
        )
        fits = version == FORMAT and _fits(described) and _fits(described.network)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        fits = False
    if not fits:
        raise UserError(f"{path} is damaged or of another version; run the same protect.py command again")
    return described


def limited(folder: Path, limit: str) -> None:
    """Lets verdicts go no further than inconclusive, or with an empty limit as far as they may."""
    write(folder, replace(read(folder), limit=limit))


def _kept(value):
    return tuple(value) if isinstance(value, list) else value


def _fits(part: Description | Network) -> bool:
    defaults = Network() if isinstance(part, Network) else Description("", "", "", Network())
    return all(isinstance(getattr(part, one.name), type(getattr(defaults, one.name))) for one in fields(part))
