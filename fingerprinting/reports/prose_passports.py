"""What documents say in prose of passports, and what the records say: entries of prose.py's MEASURED."""

from collections.abc import Iterable
from functools import partial

from fingerprinting.reports.sections.published_numbers import PASSPORTS
from fingerprinting.reports.sentences import CIFAR, FASHION, Measured, between, in_words
from fingerprinting.study.records import Records

PAGE, DIFFERENCES, BASELINES = "docs/passports.md", "docs/differences.md", "docs/baselines.md"
CIFAR100 = "cv/cifar100/cpu"
STUDIES = (FASHION, CIFAR, CIFAR100)
SMALL, WIDE = "conv3", "alexnet"
SHARES, ACCURACIES = "{:.1%}, {:.1%} and {:.1%}", "{:.3f}, {:.3f} and {:.3f}"  # by scheme


# What the records say


def attacked(study: str, attack: str, strength: float | None = None, network: str = SMALL) -> list[dict]:
    """An attack's record for every scheme that a network was trained by, in their order; `none` is no attack."""
    wanted = (attack, strength, network)
    rows = [
        row
        for row in Records.at(study, "passports").rows()
        if (row["attack"], row["strength"], row["architecture"]) == wanted and row["scheme"] != "plain"
    ]
    return sorted(rows, key=lambda row: row["scheme"])


def each(rows: Iterable[dict], *names: str) -> list[float]:
    """The first number of every record, then the second of every record, ..."""
    rows = list(rows)
    return [row[name] for name in names for row in rows]


def half_forged(attack: str, name: str) -> list:
    """Of Fashion-MNIST's networks, by scheme, where half of the owner's signs are flipped."""
    return each(attacked(FASHION, attack, 0.5), name)


def random_passports(study: str) -> list[float]:
    """What a forger's random passports show and give, by scheme: bits, accuracies, the best of these, the owner's."""
    names = ("owner_detection", "accuracy", "highest_accuracy", "owner_accuracy")
    return each(attacked(study, "fake1"), *names)


def plain(study: str, longer: bool, network: str = SMALL) -> float:
    """Accuracy of a network without passports, or of it trained on for as long as those with them."""
    rows = [row for row in Records.at(study, "passports").rows() if row["architecture"] == network]
    wanted = ("plain", "longer" if longer else None)
    return next(row["accuracy"] for row in rows if (row["scheme"], row["strength"]) == wanted)


def trained(study: str, network: str = SMALL) -> dict:
    """What is recorded of a network without passports."""
    return Records.at(f"{study}/passports/{network}-plain", "models").rows()[0]


def passes(study: str, network: str = SMALL) -> set[str]:
    """How many passes there were without passports, and on from there with and without them."""
    kinds = ["plain", *(f"v{row['scheme']}" for row in valid(study, network))]
    rows = [row for kind in kinds for row in Records.at(f"{study}/passports/{network}-{kind}", "models").rows()]
    return {in_words(row["epochs"]) for row in rows if row["kind"] == "source"}


def valid(study: str, network: str = SMALL) -> list[dict]:
    return attacked(study, "none", network=network)


def cost(study: str, longer: bool, network: str) -> list[float]:
    """Points that valid passports cost beside a network without them, by scheme."""
    return [100 * (plain(study, longer, network) - row["accuracy"]) for row in valid(study, network)]


def block_costs(study: str, share: float) -> list[float]:
    """Points of accuracy that residual blocks cost which read a share of the forger's own signature, by scheme."""
    forged = attacked(study, "residual_block", share)
    return [100 * (own["accuracy"] - row["accuracy"]) for own, row in zip(valid(study), forged, strict=True)]


def shares_lost_to_turned_signs() -> list[float]:
    """Of the accuracy on CIFAR-100, a tenth of the signs turned: the least and the most here, and as published."""
    rows = zip(valid(CIFAR100), attacked(CIFAR100, "flip", 0.1), strict=True)
    published = {said.strength: said.accuracy[0] for said in PASSPORTS if said.attack == "flip"}
    return [
        *between([1 - turned["accuracy"] / own["accuracy"] for own, turned in rows]),
        1 - published[0.1] / published[0.0],
    ]


def bits_of_strangers() -> list[int]:
    """The fewest and the most bits that owners' passports show in independent models, and of how many."""
    rows = [row for study in (FASHION, CIFAR) for row in Records.at(study, "passport_stealing_attacks").rows()]
    read = [model for row in rows if row["role"] == "independent" for model in row["models"].values()]
    read = [model for model in read if "bits" in model]
    return [*between([model["agreed"] for model in read]), *{model["bits"] for model in read}]


def students() -> set[str]:
    """How many there are of a kind."""
    rows = [row for study in (FASHION, CIFAR) for row in Records.at(study, "passport_stealing_attacks").rows()]
    return {in_words(row["n"]) for row in rows if row["kind"].startswith("extract")}


def shown_of(attack: str) -> tuple[float, float]:
    """The least and the largest mean share of the owner's bits that passports show in the small nets."""
    return between([row["owner_detection"] for study in STUDIES for row in attacked(study, attack)])


def forged(study: str, forgery: str, way: str = "aligned", network: str = SMALL) -> dict:
    """A record of benchmarks/image_passports.py: what the forger brought, and what the owner had done."""
    rows = Records.at(study, "image_passports").rows()
    wanted = (forgery, way, network)
    return next(row for row in rows if (row["forgery"], row["way"], row["architecture"]) == wanted)


def accuracy(study: str, forgery: str, way: str = "aligned", network: str = SMALL) -> float:
    return forged(study, forgery, way, network)["accuracy"]


def shown(study: str, forgery: str, way: str = "aligned", network: str = SMALL) -> float:
    """Mean share of the owner's bits."""
    return forged(study, forgery, way, network)["owner_detection"]


def accuracies(*forgeries: str, way: str = "aligned") -> list[float]:
    """Of the small net on CIFAR-10 and Fashion-MNIST in turn."""
    return [accuracy(study, forgery, way) for study in (CIFAR, FASHION) for forgery in forgeries]


def bits_lost(way: str) -> tuple[str, int]:
    """Bits that the owner's own passports do not show on CIFAR-10, and of how many."""
    row = forged(CIFAR, "owner", way)
    return in_words(row["bits"] * (1 - row["owner_detection"])), row["bits"]


def most_bits_of_noise() -> float:
    rows = [row for study in (CIFAR, FASHION) for row in Records.at(study, "image_passports").rows()]
    return max(row["highest_owner_detection"] for row in rows if row["forgery"] == "noise")


# What the documents say

MEASURED = (
    Measured(
        BASELINES,
        f"signs flipped it gives {ACCURACIES}; ours, with the sign loss, {ACCURACIES}. Both",
        lambda: [*half_forged("fake2_published", "accuracy"), *half_forged("fake2", "accuracy")],
    ),
    Measured(
        BASELINES,
        "(cosines of {:.2f} to {:.2f} with",
        lambda: between([one for cosines in half_forged("fake3_published", "cosine") for one in cosines]),
    ),
    Measured(
        BASELINES,
        "at an accuracy of {:.3f} to {:.3f}, but shows {:.0%} to {:.0%} of the claimed bits and {:.0%} to {:.0%} of "
        "the owner's. Ours shows {:.0%} to {:.0%} of the claimed ones at {:.3f} to {:.3f}.",
        lambda: [
            end
            for attack, name in (
                ("fake3_published", "accuracy"),
                ("fake3_published", "signature_detection"),
                ("fake3_published", "owner_detection"),
                ("fake3", "signature_detection"),
                ("fake3", "accuracy"),
            )
            for end in between(half_forged(attack, name))
        ],
    ),
    Measured(
        BASELINES,
        f"network keeps an accuracy of {ACCURACIES}, by layers {ACCURACIES}. Of the bits at least {{:.1%}} stay",
        lambda: [
            *each(attacked(FASHION, "prune_global", 0.8), "released_accuracy"),
            *each(attacked(FASHION, "prune", 0.8), "released_accuracy"),
            min(
                bits
                for attack in ("prune_global", "prune")
                for bits in each(attacked(FASHION, attack, 0.8), "owner_detection")
            ),
        ],
    ),
    Measured(
        DIFFERENCES,
        "These passports show {:.0%} to {:.0%} of the owner's bits here, passports of noise (`fake1_noise`) {:.0%} to "
        "{:.0%}",
        lambda: (*shown_of("fake1"), *shown_of("fake1_noise")),
    ),
    Measured(
        PAGE,
        "show {:.0%} to {:.0%} of the owner's bits and give part of the accuracy",
        lambda: shown_of("fake1"),
    ),
    Measured(
        PAGE,
        "of them takes {:.0%} to {:.0%} of the accuracy, {:.0%} in the paper",
        lambda: shares_lost_to_turned_signs(),
    ),
    Measured(
        PAGE,
        "With all bits chosen this costs {:.0f} to {:.0f} points of accuracy on Fashion-MNIST, {:.0f} to {:.0f} on "
        "CIFAR-10 and {:.0f} to {:.0f} on CIFAR-100 on the small network; with none {:.0f} to {:.0f}",
        lambda: (
            *(points for study in STUDIES for points in between(block_costs(study, 1.0))),
            *between([points for study in STUDIES for points in block_costs(study, 0.0)]),
        ),
    ),
    Measured(PAGE, "such passports show {} to {} of {} bits", lambda: bits_of_strangers()),
    Measured(PAGE, "({} students of a kind)", lambda: students()),
    Measured(
        PAGE,
        f"On Fashion-MNIST they show {SHARES} of the owner's bits",
        lambda: each(attacked(FASHION, "fake1"), "owner_detection"),
    ),
    Measured(
        PAGE,
        f"and give an accuracy of {ACCURACIES}, in the best of {{}} draws {ACCURACIES}, where the owner's give "
        f"{ACCURACIES}.",
        lambda: (
            *each(attacked(FASHION, "fake1"), "accuracy"),
            *{in_words(row["draws"]) for study in STUDIES for row in attacked(study, "fake1")},
            *each(attacked(FASHION, "fake1"), "highest_accuracy", "owner_accuracy"),
        ),
    ),
    *(
        Measured(
            PAGE,
            f"On {name} they show {SHARES} of the bits and give {ACCURACIES} (best {ACCURACIES}) where the owner's "
            f"give {ACCURACIES}.",
            partial(random_passports, study),
        )
        for name, study in (("CIFAR-10", CIFAR), ("CIFAR-100", CIFAR100))
    ),
    Measured(
        PAGE,
        "(small network, {:,} images, {} draws) the attacker's mean patches have a cosine of {:.2f} with the owner's, "
        "and {:.1%} of the signs are equal",
        lambda: (
            forged(CIFAR, "images")["examples"],
            in_words(forged(CIFAR, "images")["draws"]),
            forged(CIFAR, "images")["cosine"],
            shown(CIFAR, "images"),
        ),
    ),
    Measured(PAGE, "everywhere show {:.1%}, noise in", lambda: [shown(CIFAR, "ones")]),
    Measured(
        PAGE,
        "shows {:.1%}, images through an untrained network show {:.1%}; noise of both signs shows {:.1%}",
        lambda: [shown(CIFAR, forgery) for forgery in ("positive", "fresh_net", "noise")],
    ),
    Measured(
        PAGE,
        "which are wrong on the small network: {:.3f} of {:.3f} on CIFAR-10, {:.3f} of {:.3f} on Fashion-MNIST (the "
        "same experiment). With the owner's P_β the attacker's P_γ gives {:.3f} and {:.3f}; with the owner's P_γ the "
        "attacker's P_β gives {:.3f} and {:.3f}",
        lambda: (*accuracies("images", "owner"), *accuracies("gamma"), *accuracies("beta")),
    ),
    Measured(
        PAGE,
        "the network ends on CIFAR-10 at {:.3f} and {:.3f} (best {:.3f} and {:.3f}), with {:.1%} and {:.1%} of the "
        "bits",
        lambda: each(
            [forged(CIFAR, "images", way) for way in ("fresh", "released")],
            "accuracy",
            "highest_accuracy",
            "owner_detection",
        ),
    ),
    Measured(
        PAGE,
        "AlexNet with all of its {} bits, on images of {} × {} pixels and after short training, gives {:.3f} of {:.3f} "
        "under other images and shows {:.1%} of the bits",
        lambda: (
            *(forged(CIFAR, "images", network=WIDE)[name] for name in ("bits", "side", "side", "accuracy")),
            accuracy(CIFAR, "owner", network=WIDE),
            shown(CIFAR, "images", network=WIDE),
        ),
    ),
    Measured(
        PAGE,
        "the bits still show ({:.1%} in AlexNet, {:.1%} in the small network). But accuracy on CIFAR-10 is chance, "
        "{:.3f} and {:.3f}, where the owner's network gives {:.3f} and {:.3f} (on Fashion-MNIST {:.3f}, in the best "
        "draw {:.3f})",
        lambda: (
            *(shown(CIFAR, "fresh_net", network=network) for network in (WIDE, SMALL)),
            *(accuracy(CIFAR, it, network=network) for it in ("fresh_net", "images") for network in (WIDE, SMALL)),
            *each([forged(FASHION, "fresh_net")], "accuracy", "highest_accuracy"),
        ),
    ),
    Measured(
        PAGE,
        "On {:,} test images accuracy stays similar ({:.3f} and {:.3f} on CIFAR-10, {:.3f} and {:.3f} on "
        "Fashion-MNIST), and {} bit of {} is lost on CIFAR-10. Other images then give {:.3f} and {:.3f} and show "
        "{:.1%} and {:.1%} of the bits",
        lambda: (
            *{forged(study, "owner", "centred")["n"] for study in (CIFAR, FASHION)},
            *(accuracy(study, "owner", way) for study in (CIFAR, FASHION) for way in ("centred", "aligned")),
            *bits_lost("centred"),
            *accuracies("images", way="centred"),
            *(shown(study, "images", "centred") for study in (CIFAR, FASHION)),
        ),
    ),
    Measured(PAGE, "everywhere show {:.1%} on CIFAR-10", lambda: [shown(CIFAR, "ones", "centred")]),
    Measured(PAGE, "everywhere show the other {:.1%}", lambda: [1 - shown(CIFAR, "ones", "centred")]),
    Measured(PAGE, "show only {:.1%} of their own bits", lambda: [shown(CIFAR, "owner", "noise")]),
    Measured(PAGE, "single draws of noise show up to {:.1%} of them", lambda: [most_bits_of_noise()]),
    Measured(
        PAGE,
        "(the best of its {} further epochs on dev",
        lambda: set.union(*(passes(study) for study in STUDIES)),
    ),
    Measured(
        PAGE,
        "with {:.0f} images of a class: there the best of the {} epochs lies {} points below the start",
        lambda: (
            trained(CIFAR100)["examples"] / trained(CIFAR100)["classes"],
            *passes(CIFAR100),
            in_words(100 * (plain(CIFAR100, longer=False) - plain(CIFAR100, longer=True))),
        ),
    ),
    Measured(
        PAGE,
        "{} epochs and {} again (batches of {}, a peak learning rate of {}, bfloat16",
        lambda: (
            *2 * tuple(passes(CIFAR, WIDE)),
            *(trained(CIFAR, WIDE)["settings"]["recipe"][name] for name in ("batch_size", "learning_rate")),
        ),
    ),
    Measured(
        PAGE,
        "Valid passports cost {:.1f} and {:.1f} points",
        lambda: cost(CIFAR, longer=False, network=WIDE),
    ),
    Measured(
        PAGE,
        "and {:.1f} and {:.1f} compared with the network trained further",
        lambda: cost(CIFAR, longer=True, network=WIDE),
    ),
)
