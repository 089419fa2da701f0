"""A network with passports as its attacker meets it, and what is measured of an attack."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from cv.passport import verification
from cv.passport.layers import branch_norms
from cv.passport.passports import Passports
from cv.passport.protected_study import ProtectedStudy
from cv.passport.training import protected_loss
from cv.passport.verification import Reading
from fingerprinting.core import runtime
from fingerprinting.data.datasets import Examples
from fingerprinting.training.recipe import Recipe
from fingerprinting.training.trainer import Descent, Objective, accuracy, fit, predict

MOMENTUM, DECAY = 0.9, 5e-4  # of the released fake-2 and fake-3


@dataclass(frozen=True)
class Plan:
    """The constants of all attacks."""

    shares: tuple[float, ...]  # of signs flipped, or of weights pruned
    forged_shares: tuple[float, ...]  # of signs that a forger's signature flips
    draws: int  # of what is random and not trained; means are reported
    forge: Recipe
    tune: Recipe
    sign_weight: float
    noise: float  # deviation of fake-3's start from the owner's passports, in theirs
    data_share: float  # of the attacker's part that the residual block is trained on
    chosen_shares: tuple[float, ...]  # of its signature's bits that are fixed beforehand
    expansion: int  # hidden width of the residual block, in channels


def published_descent(weights: list[nn.Parameter], recipe: Recipe, steps: int) -> Descent:
    """SGD with momentum at one learning rate, as in the released fake-2 and fake-3."""
    optimizer = torch.optim.SGD(weights, recipe.learning_rate, momentum=MOMENTUM, weight_decay=DECAY)
    return optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)


@dataclass(frozen=True)
class Target:
    """A protected network as its attacker meets it, and what is needed to report on it."""

    protected_study: ProtectedStudy
    net: nn.Module  # as released
    held: Passports  # the owner's
    pretrained: nn.Module  # the network without passports, in which the owner's were made

    @property
    def device(self) -> torch.device:
        return self.protected_study.device

    @property
    def shipped(self) -> Passports:
        """The owner's passports over the released network's own statistics: what a forger starts from."""
        return replace(self.held, statistics={})

    def copied(self) -> nn.Module:
        return copy.deepcopy(self.net)

    def fitted(self, net: nn.Module, objective: Objective, recipe: Recipe, name: str) -> nn.Module:
        """Trained on the attacker's part, and chosen on dev."""
        return self._fitted(net, self.protected_study.parts["attacker"], objective, recipe, name, keep_last=False)

    def forged(self, net: nn.Module, part: Examples, claimed: Passports, plan: Plan, recipe: Recipe, name: str):
        """Trained towards the task and the claimed signature; the last state, which is the one that shows it best."""
        objective = protected_loss(claimed.signs, plan.sign_weight, self.device)
        return self._fitted(net, part, objective, recipe, name, keep_last=True)

    def forged_as_published(
        self, net: nn.Module, objective: Objective, recipe: Recipe, name: str, clip: float = math.inf
    ) -> nn.Module:
        """Trained on the attacker's part by DeepIPR's descent, gradients no longer than `clip`; the last state."""

        def clipped(model: nn.Module) -> None:
            nn.utils.clip_grad_norm_([weight for weight in model.parameters() if weight.requires_grad], clip)

        part = self.protected_study.parts["attacker"]
        return self._fitted(
            net, part, objective, recipe, name, keep_last=True, before_step=clipped, descent=published_descent
        )

    def _fitted(self, net, part: Examples, objective: Objective, recipe: Recipe, name: str, keep_last: bool, **how):
        dev, name = self.protected_study.parts["dev"], f"{self.protected_study.folder}/{name}"
        fit(
            net,
            part,
            dev,
            objective,
            recipe,
            name,
            self.device,
            augment=self.protected_study.domain.inputs.augment,
            keep_last=keep_last,
            precision=self.protected_study.precision,
            **how,
        )
        return net

    def draw(self, name: str) -> torch.Generator:
        return runtime.generator(f"{self.protected_study.folder}/{name}")

    def accuracy(self, net: nn.Module) -> float:
        """On test, in whatever branch the network is in."""
        test = self.protected_study.parts["test"]
        return accuracy(predict(net, test.inputs, self.device), test.targets)


@dataclass(frozen=True)
class Outcome:
    """accuracy under the passports (or γ, β) that are claimed; the claimed signature's readings.

    owner: readings of the owner's signature where the claimed one is another. notes: more for the record.
    """

    accuracy: float
    claimed: Reading
    owner: Reading
    notes: dict


Pieces = dict[float | str | None, Callable[[], Outcome]]  # strength -> what measures it


def owned(target: Target, net: nn.Module) -> Outcome:
    """What the owner's passports prove about a network, and how well it works without them."""
    reading = verification.total(verification.passport_readings(net, target.held))
    accuracy_under_it = verification.passport_accuracy(
        net, target.held, target.protected_study.parts["test"], target.device
    )
    notes = {"released_accuracy": target.accuracy(net)}
    if target.held.triggers is not None:
        notes |= {
            "triggers_agreed": verification.triggers_agreed(net, target.held, target.device),
            "triggers": len(target.held.triggers),
        }
    return Outcome(accuracy_under_it, reading, reading, notes)


def judged(target: Target, net: nn.Module, claimed: Passports) -> Outcome:
    """Accuracy of a network that runs on what is claimed, with the claimed and the owner's signature in it."""
    norms = branch_norms(net)
    claim, owner = (
        verification.total(verification.read(norms, signs, claimed.texts))
        for signs in (claimed.signs, target.held.signs)
    )
    return Outcome(
        verification.private_accuracy(net, target.protected_study.parts["test"], target.device), claim, owner, {}
    )


def mean(found: list[Outcome]) -> Outcome:
    """Readings of several draws become one: bits and agreeing bits of them all."""

    def joined(readings: list[Reading]) -> Reading:
        return verification.total(readings)

    accuracies = [outcome.accuracy for outcome in found]
    notes = {
        "draws": len(found),
        "lowest_accuracy": min(accuracies),
        "highest_accuracy": max(accuracies),
        "highest_owner_detection": max(outcome.owner.detection or 0.0 for outcome in found),
    }
    claims, owners = ([getattr(outcome, name) for outcome in found] for name in ("claimed", "owner"))
    return Outcome(sum(accuracies) / len(accuracies), joined(claims), joined(owners), notes)
