"""What the papers report, to stand beside what is measured here."""

from dataclasses import dataclass

IRISFP = "IrisFP 2026: 200 queries, ResNet18, six attacks"
TIFS_TEXT = "TIFS 2025: BERT source, 180,000 titles"


@dataclass(frozen=True)
class Published:
    """An AUC of a paper. identity is (fingerprint, output, representation) of the method here that computes the same.

    attack_on_queries: what an adaptive attacker does to queries or responses; empty where it is not adaptive.
    """

    domain: str
    dataset: str
    method: str
    identity: tuple[str, str, str] | None
    attack_on_queries: str
    attacks: tuple[str, ...]
    auc: float
    note: str


def _text(method: str, identity: tuple[str, str, str] | None, attack_on_queries: str, *aucs: float) -> list[Published]:
    attacks = (
        ("fine_tune_last", "fine_tune_all"),
        ("prune",),
        ("extract_labels",),
        ("extract_probabilities",),
        ("transfer",),
    )
    return [
        Published("nlp", "thucnews", method, identity, attack_on_queries, names, auc, TIFS_TEXT)
        for names, auc in zip(attacks, aucs, strict=True)
    ]


PUBLISHED = [
    *_text("primary", ("primary", "labels", "match_rate"), "", 1.00, 1.00, 0.76, 0.77, 0.52),
    *_text("primary, queries erased", ("primary", "labels", "match_rate"), "synonyms", 1.00, 1.00, 0.78, 0.80, 0.43),
    *(
        Published("cv", dataset, method, (method, "labels", representation), "", ("mean_same_task",), auc, IRISFP)
        for method, representation, *found in (
            ("ipguard", "responses", 0.675, 0.721),
            ("adv_tra", "responses", 0.799, 0.845),
            ("akh", "responses", 0.710, 0.765),
            ("irisfp", "votes", 0.893, 0.940),
        )
        for dataset, auc in zip(("cifar10", "fashion_mnist"), found, strict=True)
    ),
]


# What the released code for text (XtHhua/DeepIPForNLP) notes of its own run on BERT: fingerprint -> seconds of
# making the queries, and of matching all models.
RELEASED_MODELS = 101
RELEASED_SECONDS = {"primary": (68.94, 652.13), "sac_w": (508.55, 482.38), "sac_m": (10.19, 461.95)}


@dataclass(frozen=True)
class PublishedPassport:
    """Accuracy (low to high) that a paper reports for an attack on passports; n is not given there."""

    dataset: str
    network: str
    attack: str
    strength: float | None
    accuracy: tuple[float, float]
    note: str


DEEPIPR = "Fan et al. 2019, 2021"
PASSPORTS = [
    PublishedPassport("cifar10", "ResNet18", "none", None, (0.95, 0.95), f"{DEEPIPR}; about the plain network's"),
    PublishedPassport("cifar10", "ResNet18", "fake1", None, (0.10, 0.12), f"{DEEPIPR}; most draws, the best 35%"),
    PublishedPassport(
        "cifar10", "ResNet18", "fake1_noise", None, (0.10, 0.12), f"{DEEPIPR}; as fake1, compared with noise"
    ),
    PublishedPassport("cifar10", "ResNet18", "fake2", 0.5, (0.66, 0.70), DEEPIPR),
    *(
        PublishedPassport("cifar100", "", "flip", share / 10, (value, value), DEEPIPR)
        for share, value in enumerate((0.69, 0.64, 0.58, 0.53, 0.45, 0.15))
    ),
]
