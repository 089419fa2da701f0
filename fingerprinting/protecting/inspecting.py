"""What is found out about a network before anything is trained, and what is wrong with it, in one sentence each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from fingerprinting import cli
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import physical
from fingerprinting.protecting import networks, transformers_folder
from fingerprinting.protecting.description import Network
from fingerprinting.protecting.examples import IMAGES, SIGNALS, Found, in_order, listed
from fingerprinting.study import checkpoints, trace
from fingerprinting.study.domain import Domain
from fingerprinting.study.weights import begun, filled
from fingerprinting.training.trainer import accuracy, predict

ASKED = 200  # examples on which weights from elsewhere are tried
BETTER = 0.1  # of the examples right: so much more shows that inputs were meant otherwise
IN_ORDER = 0.3  # the same for another order of the classes
# What networks usually take, where it is not what is stored: constant -> how the sentence names it.
USUAL: dict[str, tuple[tuple[dict, str], ...]] = {
    IMAGES: (
        (dict(scale=255.0), "SCALE=255"),
        (dict(mean=(0.5,), std=(0.5,)), "MEAN=0.5 STD=0.5"),
        (dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)), "MEAN=0.485,0.456,0.406 STD=0.229,0.224,0.225"),
    ),
    SIGNALS: ((dict(scale=1e-6), "SCALE=1e-6"), (dict(scale=1e-3), "SCALE=1e-3")),
}


def ordered(found: Found, network: Network, classes: tuple[str, ...]) -> Found:
    """The data with their classes in the order of the network's outputs, as CLASSES= or the folder names them."""
    if classes:
        return in_order(found, classes)
    named = transformers_folder.classes(Path(network.model)) if networks.is_folder(network) else ()
    by_name = {name.casefold(): name for name in found.classes}
    if named and {name.casefold() for name in named} == set(by_name) and len(named) == len(found.classes):
        return in_order(found, tuple(by_name[name.casefold()] for name in named))
    if named:
        raise UserError(
            f"{network.model} has the classes {listed(named)}, the data {listed(found.classes)}; give CLASSES=, "
            "the data's classes in the order of the network's outputs"
        )
    return found


def coloured(network: Network, found: Found) -> Network:
    """With grey images as three channels, where the network takes no others."""
    if found.kind != IMAGES or found.inputs.shape[1] != 1 or networks.is_folder(network):
        return network
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            _made(network, found).eval()(physical(found.inputs[:2]))
        except UserError:
            raise
        except Exception:  # somebody's own network may raise anything over one channel
            return replace(network, colour=True)
    return network


def described(domain: Domain, found: Found, weights: Path | None, device: torch.device) -> str:
    """What the network is: its size, head and prunable layers; UserError where it cannot be used."""
    tried, count = found.inputs[:2], len(found.classes)
    checkpoints.check(domain, networks.OWN, count, tried, device, weights)
    model = checkpoints.build(domain, networks.OWN, count, tuple(tried.shape[1:]))
    head = trace.head(domain, networks.OWN, model, tried)
    try:
        pruned = ", ".join(trace.prunable(domain, networks.OWN, model, tried))
    except UserError:
        pruned = "none found, which nothing here needs (PRUNABLE= names some)"
    size = sum(weight.numel() for weight in model.parameters())
    return f"{size:,} weights, head {head or 'the network itself'}, prunable {pruned}"


def perturbed(domain: Domain, network: Network, found: Found, device: torch.device) -> Network:
    """Knowing whether adversarial calibration models can be trained of it: not where no embedding is called."""
    try:
        checkpoints.check_perturbed(domain, networks.OWN, len(found.classes), found.inputs[:2], device)
    except UserError as reason:
        print(f"no calibration model of it is trained adversarially: {reason}", flush=True)
        return replace(network, perturbed=False)
    return network


def started(network: Network, found: Found) -> str:
    """What of the network a pretrained start gives, and what begins at random."""
    _, new = begun(_made(network, found), Path(network.base))
    return (
        f"BASE gives all weights but {', '.join(new[:3])}{' ...' * (len(new) > 3)}" if new else "BASE gives all weights"
    )


def check_weights(network: Network, found: Found, weights: Path, asked_for: bool, device: torch.device) -> str:
    """How many of some examples trained weights get right; UserError where another reading of them is clearly meant.

    asked_for: the owner has said how inputs are prepared.
    """
    chosen = torch.randperm(len(found.labels), generator=runtime.generator("examples for weights"))[:ASKED]
    inputs, labels = found.inputs[chosen], found.labels[chosen]

    def right(meant: Network) -> tuple[float, torch.Tensor]:
        model = _made(meant, found)
        logits = predict(filled(model, weights), inputs, device)
        return accuracy(logits, labels), logits

    as_given, logits = right(network)
    others = () if asked_for or networks.is_folder(network) else USUAL.get(found.kind, ())
    meant = [
        (right(replace(network, **change))[0], words) for change, words in others if _fits(change, network, inputs)
    ]
    best, words = max(meant, default=(0.0, ""))
    if best > as_given + BETTER:
        raise UserError(
            f"the network is right on {as_given:.2f} of {len(labels)} examples as inputs are, and on {best:.2f} with "
            f"{words}; give {words}, or SCALE=1 if inputs are meant as they are"
        )
    order, reordered = _best_order(logits, labels, len(found.classes))
    if reordered > as_given + IN_ORDER:
        named = cli.word("CLASSES", tuple(found.classes[place] for place in order))
        raise UserError(
            f"the network is right on {as_given:.2f} of {len(labels)} examples, and on {reordered:.2f} with its "
            f"classes in another order; give {named} if that is the order of its outputs"
        )
    return f"right on {as_given:.2f} of {len(labels)} examples of all parts"


def _best_order(logits: torch.Tensor, labels: torch.Tensor, count: int) -> tuple[list[int], float]:
    """The class that each output most likely stands for, and the share that is right so."""
    table = np.zeros((count, count))
    np.add.at(table, (logits.argmax(1).numpy(), labels.numpy()), 1)
    outputs, classes = linear_sum_assignment(-table)
    return classes.tolist(), float(table[outputs, classes].sum() / max(1, len(labels)))


def _fits(change: dict, network: Network, inputs: torch.Tensor) -> bool:
    return len(change.get("mean", ())) in (0, 1, 3 if network.colour else inputs.shape[1])


def _made(network: Network, found: Found) -> nn.Module:
    return networks.built(network, found.kind, len(found.classes), tuple(found.inputs.shape[1:]))
