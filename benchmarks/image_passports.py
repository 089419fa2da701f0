"""Why passports made of other images work: networks with passports made in several ways, many kinds of forged ones.

    python benchmarks/image_passports.py DATASET=cifar10
    python benchmarks/image_passports.py DATASET=cifar10 ARCHITECTURE=alexnet SIDE=16 EXAMPLES=5000 EPOCHS=2 TESTED=500
    python benchmarks/image_passports.py TIER=smoke DATASET=digits

Needs data/prepare.py. Trains a network without passports and, of it, one of scheme 1 for each of WAYS, which differ in
what the owner does; each is then asked under passports of every one of FORGERIES, DRAWS of each, claimed with the
owner's signature. A record for each pair.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, cosine_similarity
from tqdm import tqdm

from cv.passport import passports, training, verification
from cv.passport.layers import branch_norms, mean_patch, passport_norms
from cv.passport.passports import Passports
from fingerprinting import cli
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Examples, physical
from fingerprinting.reports.sections import passport_pages
from fingerprinting.study import checkpoints
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from fingerprinting.training import objectives
from fingerprinting.training.recipe import Recipe
from fingerprinting.training.trainer import Objective, accuracy, fit, predict

DOMAIN = "cv"
ARCHITECTURE = "conv3"
SIDE = 0  # pixels that images are averaged down to, for wide networks on a CPU; 0: as they are
EXAMPLES = dict(smoke=300, quick=5_000, cpu=10_000, paper=20_000)  # of the owner's part
TESTED = dict(smoke=100, quick=1_000, cpu=1_000, paper=5_000)  # test images
EPOCHS = dict(smoke=1, quick=8, cpu=8, paper=100)  # without passports, and again with
LEARNING_RATE = dict(smoke=3e-3, quick=3e-3, cpu=3e-3, paper=1e-3)
SIGN_WEIGHT = 0.1
PASSPORT_IMAGES = 20
DRAWS = dict(smoke=2, quick=5, cpu=10, paper=10)
WAYS = ("aligned", "fresh", "released", "centred", "noise")
FORGERIES = (
    *("images", "gamma", "beta", "image", "in_place", "shared", "fresh_net", "own_net"),
    *("centred", "ones", "positive", "noise"),
)

Pair = tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]  # P_γ and P_β (n, C, h, w) by path


def measure(
    study: Study,
    *,
    architecture: str,
    side: int,
    examples: int,
    tested: int,
    epochs: int,
    learning_rate: float,
    sign_weight: float,
    passport_images: int,
    draws: int,
    ways: tuple[str, ...],
    forgeries: tuple[str, ...],
) -> None:
    """Train, forge and record; what each way and forgery is stands beside its function."""
    for name, given, known in (("WAYS", ways, kinds_of_owner), ("FORGERIES", forgeries, kinds_of_forgery)):
        if unknown := [word for word in given if word not in known]:
            raise UserError(f"{name}={unknown[0]} is unknown; take some of {', '.join(known)}")
    if min(examples, tested, draws, passport_images) < 1 or len(study.shape) != 3:
        raise UserError("EXAMPLES, TESTED, DRAWS and PASSPORT_IMAGES must be 1 or more, and inputs images")
    parts = {name: _smaller(study.parts[name], side) for name in ("owner", "attacker", "dev", "test")}
    parts["owner"], parts["test"] = (_first(parts[name], n) for name, n in (("owner", examples), ("test", tested)))
    shape = tuple(parts["owner"].inputs.shape[1:])
    where = f"{study.folder}/image_passports/{architecture}-{shape[-1]}-{len(parts['owner'])}-{epochs}"
    build = partial(_built, study, architecture, shape)
    recipe, train = study.recipe(epochs, learning_rate), partial(_trained, study, parts)
    plain = train(build(f"{where}/plain"), objectives.cross_entropy, recipe, f"{where}/plain")
    config = passports.read_config("", architecture)
    made = passports.make(plain, config, parts["owner"].inputs, passport_images, where, {"architecture": architecture})
    for way in tqdm(ways, desc="ways", unit="way"):
        name = f"{where}/{way}"
        start, held, fitted = kinds_of_owner[way](plain, made, partial(build, name), runtime.generator(name), train)
        net = passports.install(start, held, public=False)
        net = fitted(net, training.protected_loss(held.signs, sign_weight, study.device), recipe, name)
        forger = Forger(net, plain, build(f"{where}/forger"), held, parts["attacker"].inputs, passport_images)
        about = {"architecture": architecture, "side": shape[-1], "way": way, "draws": draws, "n": len(parts["test"])}
        about |= {"examples": len(parts["owner"]), "epochs": epochs, "provenance": runtime.provenance(study.device)}
        owner = _measured(study, net, held, [(held.gamma, held.beta)], parts["test"])
        plain_accuracy = accuracy(predict(plain, parts["test"].inputs, study.device), parts["test"].targets)
        rows = [{"key": f"{name}/owner", "forgery": "owner", "plain_accuracy": plain_accuracy, **owner, **about}]
        for kind in forgeries:
            tried = [
                kinds_of_forgery[kind](forger, runtime.generator(f"{name}/{kind}/{number}")) for number in range(draws)
            ]
            rows.append({"key": f"{name}/{kind}", "forgery": kind, **about})
            rows[-1] |= _measured(study, net, held, tried, parts["test"])
        Records.of(study, "image_passports").put(rows)
    passport_pages.write(study.folder)
    print(passport_pages.page(study.folder))


def _smaller(part: Examples, side: int) -> Examples:
    if not side:
        return part
    return Examples(adaptive_avg_pool2d(physical(part.inputs), side), part.targets)


def _first(part: Examples, count: int) -> Examples:
    return part.take(torch.arange(min(count, len(part))))


def _built(study: Study, architecture: str, shape: tuple[int, ...], name: str) -> nn.Module:
    runtime.seed_everything(name)
    return checkpoints.build(study.domain, architecture, len(study.classes), shape)


def _trained(
    study: Study, parts: dict[str, Examples], net: nn.Module, objective: Objective, recipe: Recipe, name: str
) -> nn.Module:
    runtime.seed_everything(name)
    fit(net, parts["owner"], parts["dev"], objective, recipe, name, study.device)
    return net.eval()


# What the owner does: (network to begin with, passports, training), of which the first two may differ from the usual.


def aligned(plain, made: Passports, fresh, draw, train):
    """As cv/passport/train.py."""
    return passports.align(copy.deepcopy(plain), made), made, train


def fresh_weights(plain, made: Passports, fresh, draw, train):
    """From fresh weights, as published."""
    return fresh(), made, train


def as_released(plain, made: Passports, fresh, draw, train):
    """From fresh weights by the released code's optimiser: SGD, rate .01, momentum .9, decay 1e-4, batches of 64."""
    return fresh(), made, partial(_sgd, train)


def centred_passports(plain, made: Passports, fresh, draw, train):
    """Each passport less its mean, so that its mean patch has both signs."""
    held = replace(made, **{part: _centred(getattr(made, part)) for part in ("gamma", "beta")})
    return passports.align(copy.deepcopy(plain), held), held, train


def noise_passports(plain, made: Passports, fresh, draw, train):
    """Of no image: uniform in [-1, 1], the released code's other kind."""
    held = replace(made, gamma=_uniform(made.gamma, -1, draw), beta=_uniform(made.beta, -1, draw))
    return passports.align(copy.deepcopy(plain), held), held, train


kinds_of_owner = {
    "aligned": aligned,
    "fresh": fresh_weights,
    "released": as_released,
    "centred": centred_passports,
    "noise": noise_passports,
}


def _sgd(train, net: nn.Module, objective: Objective, recipe: Recipe, name: str) -> nn.Module:
    """The same examples as often, by the released code's optimiser and its steps at half and three quarters."""
    study, parts = train.args
    runtime.place(net, study.device)
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
    steps = [recipe.epochs // 2, 3 * recipe.epochs // 4]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, steps, 0.1)
    size, part = min(64, len(parts["owner"])), parts["owner"]
    for epoch in range(recipe.epochs):
        runtime.seed_everything(f"{name}/epoch {epoch}")
        order = torch.randperm(len(part))[: len(part) // size * size]
        net.train()
        for inputs, labels in part.batches(size, study.device, order):
            loss = objective(net, inputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return net.eval()


# What the forger does: P_γ and P_β.


class Forger:
    """Has the network that is attacked, the one without passports, one with fresh weights, and images."""

    def __init__(self, net, plain, fresh, held: Passports, images: torch.Tensor, count: int) -> None:
        self.net, self.plain, self.fresh, self.held, self.images, self.count = net, plain, fresh, held, images, count

    def of_images(self, net: nn.Module, draw: torch.Generator, count: int | None = None) -> Pair:
        return passports.of_images(net, list(self.held.signs), self.images, count or self.count, draw)


def images(forger: Forger, draw: torch.Generator) -> Pair:
    """fake1: shuffled activations of images in the network without passports."""
    return forger.of_images(forger.plain, draw)


def only_gamma(forger: Forger, draw: torch.Generator) -> Pair:
    """Which of the two costs accuracy: P_γ of images, P_β the owner's."""
    return images(forger, draw)[0], forger.held.beta


def only_beta(forger: Forger, draw: torch.Generator) -> Pair:
    """P_β of images, P_γ the owner's."""
    return forger.held.gamma, images(forger, draw)[1]


def one_image(forger: Forger, draw: torch.Generator) -> Pair:
    """Of one image each: its channels shuffled."""
    return forger.of_images(forger.plain, draw, 1)


def in_place(forger: Forger, draw: torch.Generator) -> Pair:
    """Not shuffled: all the images' activations at once."""
    drawn = torch.randperm(len(forger.images), generator=draw)[: 2 * forger.count].chunk(2)
    gamma, beta = (passports.activations(forger.plain, list(forger.held.signs), forger.images[i]) for i in drawn)
    return gamma, beta


def shared(forger: Forger, draw: torch.Generator) -> Pair:
    """One passport for both γ and β."""
    gamma, _ = images(forger, draw)
    return gamma, gamma


def fresh_net(forger: Forger, draw: torch.Generator) -> Pair:
    """Through a network with fresh weights, which the released code takes for CIFAR since July 2020."""
    return forger.of_images(forger.fresh, draw)


def own_net(forger: Forger, draw: torch.Generator) -> Pair:
    """Through the attacked network itself, the only one that an attacker has for sure."""
    return forger.of_images(forger.net, draw)


def centred(forger: Forger, draw: torch.Generator) -> Pair:
    """Of images, each passport less its mean."""
    gamma, beta = images(forger, draw)
    return _centred(gamma), _centred(beta)


def ones(forger: Forger, draw: torch.Generator) -> Pair:
    """Of nothing: 1 everywhere."""
    gamma, beta = ({path: torch.ones_like(p) for path, p in part.items()} for part in _owners(forger))
    return gamma, beta


def positive(forger: Forger, draw: torch.Generator) -> Pair:
    """Noise, uniform in [0, 1]."""
    gamma, beta = (_uniform(part, 0, draw) for part in _owners(forger))
    return gamma, beta


def noise(forger: Forger, draw: torch.Generator) -> Pair:
    """Noise, uniform in [-1, 1]: fake1_noise."""
    gamma, beta = (_uniform(part, -1, draw) for part in _owners(forger))
    return gamma, beta


kinds_of_forgery: dict[str, Callable[[Forger, torch.Generator], Pair]] = {
    "images": images,
    "gamma": only_gamma,
    "beta": only_beta,
    "image": one_image,
    "in_place": in_place,
    "shared": shared,
    "fresh_net": fresh_net,
    "own_net": own_net,
    "centred": centred,
    "ones": ones,
    "positive": positive,
    "noise": noise,
}


def _owners(forger: Forger) -> Pair:
    return forger.held.gamma, forger.held.beta


def _centred(part: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {path: passport - passport.mean() for path, passport in part.items()}


def _uniform(part: dict[str, torch.Tensor], low: float, draw: torch.Generator) -> dict[str, torch.Tensor]:
    return {path: low + (1 - low) * torch.rand(p.shape, generator=draw) for path, p in part.items()}


def _measured(study: Study, net: nn.Module, held: Passports, tried: list[Pair], test: Examples) -> dict:
    """Accuracy, the share of the owner's bits, and how like the owner's the mean patches of P_γ are, over all draws."""
    accuracies, shares, cosines = [], [], []
    for gamma, beta in tried:
        forged = passports.install(passports.released(copy.deepcopy(net)), replace(held, gamma=gamma, beta=beta), False)
        norms = branch_norms(forged)
        shares.append(verification.total(verification.read(norms, held.signs, held.texts)).detection)
        accuracies.append(verification.private_accuracy(forged, test, study.device))
        cosines += list(_cosines(passport_norms(net), gamma))
    return {
        "accuracy": sum(accuracies) / len(accuracies),
        "highest_accuracy": max(accuracies),
        "owner_detection": sum(shares) / len(shares),
        "highest_owner_detection": max(shares),
        "cosine": sum(cosines) / len(cosines),
        "bits": sum(len(bits) for bits in held.signs.values()),
    }


def _cosines(norms, gamma: dict[str, torch.Tensor]) -> Iterator[float]:
    for path, passport in gamma.items():
        yield cosine_similarity(norms[path].gamma, mean_patch(passport, norms[path].convolution), dim=0).item()


if __name__ == "__main__":
    cli.run(measure, globals())
