"""From what the owner hands over to a description, data and a study: all that is checked before anything is trained."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from fingerprinting import cli
from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.data.splits import content_of
from fingerprinting.protecting import (
    arrays,
    description,
    domain,
    inspecting,
    networks,
    pictures,
    signals,
    tables,
    transformers_folder,
)
from fingerprinting.protecting.description import Description, Network
from fingerprinting.protecting.examples import KINDS, SIGNALS, TEXTS, Found, checked
from fingerprinting.study import loading
from fingerprinting.study import weights as foreign
from fingerprinting.study.domain import TIERS, load_domain
from fingerprinting.study.study import Study

PARTS = "parts.csv"  # in the owner's folder
FEWEST_QUERIES = 25
PREPARED = ("prepare", "scale", "mean", "std")  # constants by which the owner says what the network takes
# Constants that are about one form of the data alone: what that form is, and its suffixes; a folder has none.
FORMS: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = {
    ("size",): ("images in folders", ("",)),
    ("text", "label", "length"): ("tables", (".csv", ".tsv", ".parquet")),
    ("kind", "rate"): ("arrays, which do not say it themselves", (".npz",)),
}


def check(given: dict[str, Any], budget: int, data: str, weights: str) -> None:
    if not data:
        raise UserError(
            "DATA= is not given; name a folder of images in class folders, or a .csv, .parquet, .npz or -epo.fif"
        )
    if not Path(data).exists():
        raise UserError(f"DATA={data} does not exist")
    if given["tier"] not in TIERS:
        raise UserError(f"unknown TIER {given['tier']!r}; take one of {', '.join(TIERS)}")
    if given["kind"] not in {"", *KINDS}:
        raise UserError(f"unknown KIND={given['kind']}; take {', '.join(KINDS)}, or leave it out")
    if budget < FEWEST_QUERIES:
        raise UserError(f"BUDGET={budget} queries are too few to tell anything; give {FEWEST_QUERIES} or more")
    if given["source"] and not given["model"]:
        raise UserError(
            f"SOURCE={given['source']} can be asked and not trained; give MODEL=module:function too, which builds such "
            "a network for its twins"
        )
    if given["source"] and weights:
        raise UserError("SOURCE= is the trained model, and WEIGHTS= are those of one; give one of the two")
    if 0.0 in given["std"]:
        raise UserError("STD= holds 0, by which no input can be divided; give deviations above 0")


def read(path: Path, network: Network, given: dict[str, Any]) -> Found:
    """What the data are, by the form in which they are given; images for transformers as large as their processor's."""
    suffix, size = "" if path.is_dir() else path.suffix.lower(), given["size"]
    _check_form(path, suffix, given)
    if path.is_dir():
        if not size and networks.is_folder(network):
            size = transformers_folder.side(Path(network.model))
        found = pictures.in_folders(path, size)
    elif suffix in (".csv", ".tsv", ".parquet"):
        found = tables.read(path, given["text"], given["label"], given["length"])
    elif suffix == ".npz":
        found = arrays.read(path, given["kind"], given["rate"])
    elif suffix == ".fif":
        found = signals.epochs(path)
    else:
        raise UserError(
            f"DATA={path} has no known form; give a folder of images in class folders, or a .csv, .parquet, .npz or "
            "-epo.fif; for other data write a domain file, see docs/your-model.md"
        )
    found = checked(found, path)
    if found.kind == SIGNALS and not network.model:
        return signals.as_usual(found)
    return found


def _check_form(path: Path, suffix: str, given: dict[str, Any]) -> None:
    for names, (form, suffixes) in FORMS.items():
        unread = [name for name in names if given[name] and suffix not in suffixes]
        if unread:
            raise UserError(f"{unread[0].upper()}= is for {form}, and DATA={path} is something else; leave it out")


def network_of(given: dict[str, Any]) -> Network:
    """What the constants say of the network, before it is looked at."""
    model = networks.absolute(given["model"])
    if given["train"] and (unread := [name for name in ("epochs", "learning_rate") if given[name]]):
        raise UserError(f"{unread[0].upper()}= is of the recipe here, and TRAIN= is another; leave one of them out")
    return Network(
        model=model,
        modules=str(Path.cwd()),
        prepare=given["prepare"],
        train=given["train"],
        base=str(Path(given["base"]).resolve()) if given["base"] else "",
        scale=given["scale"],
        mean=given["mean"],
        std=given["std"],
        head=given["head"],
        prunable=given["prunable"],
    )


def check_prepared(network: Network, kind: str, given: dict[str, Any]) -> None:
    """Refuse what is said of an owner's network, and of what it takes, where it has no effect."""
    about = [
        name for name in ("base", "head", "prunable", *PREPARED) if getattr(network, name) != getattr(Network, name)
    ]
    prepared = [name for name in PREPARED if name in about]
    measured = [name for name in prepared if name != "prepare"]
    if about and not network.model:
        raise UserError(f"{about[0].upper()}= is about a network of yours; give MODEL= too")
    if prepared and networks.is_folder(network):
        raise UserError(
            f"{prepared[0].upper()}= does not reach MODEL={given['model']}, which takes inputs by its own tokenizer or "
            "image processor; leave it out"
        )
    if measured and network.prepare:
        raise UserError(f"PREPARE= makes all that the network takes, {measured[0].upper()}= too; give one of them")
    if measured and kind == TEXTS:
        raise UserError(
            f"{measured[0].upper()}= is for numbers that are measured, and a text's are code points; give PREPARE= "
            "what makes of texts what the network takes, or leave it out"
        )


def weights_of(network: Network, found: Found, weights: str, folder: Path) -> tuple[Network, Path | None]:
    """The network with its base, and where trained weights lie; those of transformers under today's names."""
    if weights and not network.model:
        raise UserError("WEIGHTS= needs MODEL=, which says what network they are of")
    if networks.is_folder(network):
        if network.base:
            kept = _in_todays_names(network, found, Path(network.base), folder / "base.safetensors")
            return replace(network, base=str(kept)), Path(weights).resolve() if weights else None
        given = Path(weights).resolve() if weights else Path(network.model)
        return network, _in_todays_names(network, found, given, folder / "weights.safetensors")
    return network, Path(weights).resolve() if weights else None


def twins_in(folder: Path) -> list[Path]:
    """Where twins lie that were trained elsewhere: a file of safetensors each, or a folder with such."""
    found = [
        path.resolve()
        for path in storage.visible(folder)
        if path.suffix == ".safetensors" or path.is_dir() and list(path.glob("*.safetensors"))
    ]
    if not found:
        raise UserError(f"TWINS={folder} holds no safetensors files; put one there for each twin, or leave TWINS= out")
    return found


def twins_of(
    network: Network, found: Found, paths: list[Path], weights: Path | None, folder: Path
) -> tuple[list[Path], tuple[str, ...]]:
    """Twins' weights as the network takes them, with digests; those of transformers under today's names.

    weights: the source's. One training twice, or the source's own, would be no repetition.
    """
    if not paths:
        return [], ()
    if networks.is_folder(network):
        places = [folder / "twins" / f"{number}.safetensors" for number in range(len(paths))]
        kept = [_in_todays_names(network, found, *both) for both in zip(paths, places, strict=True)]
    else:
        kept = paths
    seen = {storage.digest(foreign.read(weights)): "the source"} if weights else {}
    for path, twin in zip(paths, kept, strict=True):
        digest = storage.digest(foreign.read(twin))
        if digest in seen:
            raise UserError(
                f"{path.name} of TWINS= holds the weights of {seen[digest]}, and a twin is another training with "
                "another seed; take it out"
            )
        seen[digest] = path.name
    return kept, tuple(seen)[1 if weights else 0 :]


def _in_todays_names(network: Network, found: Found, path: Path, kept: Path) -> Path:
    tensors = transformers_folder.weights(Path(network.model), found.kind, len(found.classes), path)
    storage.save_tensors(kept, tensors, {"from": str(path)})
    return kept.resolve()


def described(
    folder: Path,
    data: Path,
    found: Found,
    network: Network,
    all_mine: bool,
    given: dict[str, Any],
    device: torch.device,
) -> Description:
    """All that is found out, said and checked before anything is written or trained."""
    print(f"{data}: {len(found.labels)} {found.said}; {len(found.classes)} classes: {_counts(found)}", flush=True)
    if network.model:
        network = inspecting.coloured(network, found)
    name, limit = _before(folder, data)
    about = Description(name, found.kind, _plain(data.stem), network, all_mine, limit, given["source"])
    made = domain.made(about, lambda _name: domain.dataset(about, found.classes, found.inputs, found.labels))
    if network.model:
        weights = given["weights"]
        said = inspecting.described(made, found, weights, device)
        print(f"network {network.model}: {said}", flush=True)
        about = replace(about, network=inspecting.perturbed(made, network, found, device))
        if network.colour:
            print("it takes colour: grey images are given to it as three equal channels", flush=True)
        if weights:
            right = inspecting.check_weights(network, found, weights, given["asked_for"], device)
            print(f"weights {weights}: {right}", flush=True)
        if network.base:
            print(inspecting.started(network, found), flush=True)
    elif network.train:
        networks.function(network.modules, network.train, "TRAIN")
    return about


def _counts(found: Found) -> str:
    counts = torch.bincount(found.labels, minlength=len(found.classes)).tolist()
    said = [f"{repr(name) if ',' in name else name} {count}" for name, count in zip(found.classes, counts, strict=True)]
    return ", ".join(said) if len(said) <= 10 else ", ".join([*said[:9], f"... {said[-1]}"])


def _plain(text: str) -> str:
    return re.sub(r"[^\w-]+", "_", text).strip("_")[:40] or "data"


def _before(folder: Path, data: Path) -> tuple[str, str]:
    """The domain's name, and how far verdicts go: as in that folder before, until the twin is compared again.

    A new name is the data's with the folder's place in a few digits.
    """
    if (folder / description.FILE).is_file():
        held = description.read(folder)
        return held.name, held.limit
    if (folder / description.DOMAIN).exists():
        raise UserError(f"{folder} holds a domain.py that protect.py did not write; give PROTECTED=another folder")
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    return f"{_plain(data.stem)}-{place}", ""


def kept(folder: Path, about: Description, found: Found, given: dict[str, Any]) -> tuple[Description, Study]:
    """The description and the data in the owner's folder, and the study of them."""
    domain.keep(folder, found)
    description.write(folder, about)
    loading.forget()
    study = study_of(folder, given)
    _write_parts(study, found, folder)
    return about, study


def study_of(folder: Path, given: dict[str, Any]) -> Study:
    held = load_domain(str(folder))
    tier = given["tier"]
    shared: dict[str, Any] = {
        name.lower(): cli.chosen(name, value, tier, (held.data.datasets[tier], held.name))
        for name, value in held.constants.items()
    }
    return Study(
        str(folder),
        held.data.datasets[tier],
        tier,
        device_name=given["device"],
        workers=given["workers"],
        force=given["force"],
        **shared,
    )


def _write_parts(study: Study, found: Found, folder: Path) -> None:
    """Which part each example came to, for who wants to train on the owner's alone."""
    places = {row: name for name, part in study.parts.items() for row in content_of(part.inputs)}
    parts = [places.get(row, "left out: it repeats another") for row in content_of(found.inputs)]
    names = [f'"{name}"' if "," in name or '"' in name else name for name in found.names]
    storage.write_text(folder / PARTS, "".join(f"{name},{part}\n" for name, part in zip(names, parts, strict=True)))


def cut_of(study: Study, held: Description, folder: Path, elsewhere: bool) -> str:
    """How the data are cut, and what that means for a model that was trained elsewhere."""
    sizes = ", ".join(f"{name} {len(part)}" for name, part in study.parts.items() if len(part))
    said = f"cut: {sizes} ({folder / PARTS} has each example's part)"
    if held.all_owned:
        said += "; no part plays the attacker, so how well attacks would be detected is not measured"
        if elsewhere:
            said += (
                "; mistakes on examples that the model has seen tell less, and its accuracy there is too high: a copy "
                "that remembers the control queries is more accurate than all calibration models, and its verdict "
                "inconclusive"
            )
    elif elsewhere:
        said += "; if the model has seen more of them than the owner's part, give ALL_MINE=True"
    return said
