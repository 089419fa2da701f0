"""Ownership verification: what the passports in a file read in a model, and how well it works under them."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from scipy.stats import binomtest
from torch import nn

from cv.passport import passports, protected_study, signature
from cv.passport.layers import BranchNorm, passport_norms, private_branch
from cv.passport.passports import Passports
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.core.markdown import markdown_table
from fingerprinting.data.datasets import Examples
from fingerprinting.study import checkpoints
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import accuracy, predict


@dataclass(frozen=True)
class Reading:
    """A signature read from scale factors: `agreed` of `bits`, what the text's bits spell, and what they should."""

    layer: str
    bits: int
    agreed: int
    text: str
    expected: str

    @property
    def detection(self) -> float | None:
        return self.agreed / self.bits if self.bits else None

    @property
    def p_value(self) -> float | None:
        return p_value(self.agreed, self.bits) if self.bits else None


def p_value(agreed: int, bits: int, chance: float = 0.5) -> float:
    """Chance that `agreed` or more of `bits` agree if each does so with probability `chance`: binomial, one-sided."""
    return float(binomtest(agreed, bits, chance, alternative="greater").pvalue)


def read(norms: Mapping[str, BranchNorm], signs: dict[str, torch.Tensor], texts: dict[str, str]) -> list[Reading]:
    """The signature in the signs of every layer's γ; a γ of 0 counts as negative, a bit of 0 as not claimed."""
    found = []
    for path, bits in signs.items():
        with torch.no_grad():
            said = norms[path].affine()[0].cpu() > 0
        text = signature.decode(said, len(texts[path].encode()))
        agreed = (said == (bits > 0)) & (bits != 0)
        found.append(Reading(path, int((bits != 0).sum()), int(agreed.sum()), text, texts[path]))
    return found


def total(readings: list[Reading]) -> Reading:
    """All layers as one."""
    return Reading("all", sum(r.bits for r in readings), sum(r.agreed for r in readings), "", "")


def under(net: nn.Module, held: Passports) -> nn.Module:
    """A copy of a released network that runs on these passports."""
    scheme = held.metadata["scheme"]
    return passports.install(copy.deepcopy(net), held, public=scheme != "v1")


def passport_readings(net: nn.Module, held: Passports) -> list[Reading]:
    return read(passport_norms(under(net, held)), held.signs, held.texts)


def private_accuracy(net: nn.Module, part: Examples, device: torch.device) -> float:
    """Accuracy of a network's private branch."""
    with private_branch(net):
        return accuracy(predict(net, part.inputs, device), part.targets)


def passport_accuracy(net: nn.Module, held: Passports, part: Examples, device: torch.device) -> float:
    return private_accuracy(under(net, held), part, device)


def triggers_agreed(net: nn.Module, held: Passports, device: torch.device) -> int:
    """How many of scheme 3's trigger images the public branch labels as the owner chose."""
    assert held.triggers is not None
    labels = predict(net, held.triggers.inputs, device).argmax(1)
    return int((labels == held.triggers.targets).sum())


def triggers_p_value(agreed: int, labels: torch.Tensor) -> float:
    """Chance that any model agrees with `agreed` or more of labels (n,) that the owner drew among its own classes."""
    return p_value(agreed, len(labels), 1 / (int(labels.max()) + 1))


def verify(study: Study, *, scheme: str, architecture: str, norm: str, model: str, passport: str) -> None:
    """Print what a passport file proves about a model file; both default to those of the study's scheme."""
    if scheme not in protected_study.SCHEMES:
        raise UserError(f"SCHEME={scheme} is unknown; take {', '.join(protected_study.SCHEMES)}")
    own = protected_study.of(study, architecture, norm, scheme)
    if not (model and passport):
        protected_study.require(own)
    net, metadata = checkpoints.load(study.domain, Path(model) if model else own.source_id.path)
    held = passports.load(Path(passport) if passport else own.passport_path)
    net = runtime.place(net, study.device)
    readings = passport_readings(net, held)
    print(f"model:     {metadata['name']}, {metadata['architecture']}")
    print(f"passports: of {held.metadata['model']}, scheme {held.metadata['scheme'].removeprefix('v')}\n")
    print("\n".join(_table(readings)))
    if held.triggers is not None and held.triggers.inputs.shape[1:] != torch.Size(metadata["shape"]):
        print("\ntrigger images are not shown: they have another shape than the model's inputs")
    elif held.triggers is not None:
        agreed, labels = triggers_agreed(net, held, study.device), held.triggers.targets
        print(f"\ntrigger images labelled as the owner chose: {agreed} of {len(labels)}, ", end="")
        print(f"p = {triggers_p_value(agreed, labels):.1e}")
    try:
        test = study.parts["test"]
    except UserError as reason:
        print(f"\naccuracy is not measured: {reason}")
        return
    if len(study.classes) != metadata["classes"] or study.shape != tuple(metadata["shape"]):
        print(f"\naccuracy is not measured: {study.dataset} is not the model's task; give its DATASET=")
        return
    measure = partial(accuracy, labels=test.targets)
    released = measure(predict(net, test.inputs, study.device))
    print(f"\naccuracy on {len(test)} test images of {study.dataset}: {released:.4f} as released, ", end="")
    print(f"{passport_accuracy(net, held, test, study.device):.4f} under these passports")


def _table(readings: list[Reading]) -> list[str]:
    whole = total(readings)
    return markdown_table(
        ["layer", "bits", "agree", "errors", "detection", "text read", "expected", "p"],
        [
            [r.layer, str(r.bits), str(r.agreed), str(r.bits - r.agreed), f"{r.detection:.1%}", repr(r.text)]
            + [repr(r.expected), f"{r.p_value:.1e}"]
            for r in [*readings, whole]
        ],
    )
