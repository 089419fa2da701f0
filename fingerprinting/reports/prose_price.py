"""What documents say in prose of what a verdict costs, and what the records say: entries of prose.py's MEASURED."""

from functools import partial

from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.evaluation import labels, price_level
from fingerprinting.evaluation.price import by_spending
from fingerprinting.fingerprints.registry import MINUS_TWINS
from fingerprinting.models.mistakes import HELD_OUT
from fingerprinting.reports.sentences import CIFAR, EEG, FASHION, README, THUCNEWS, THUOCL, Measured
from fingerprinting.study.records import Records
from fingerprinting.study.study import SPLIT

PAGE = "docs/price.md"
REPLICATE, MANY_PASSES = f"{FASHION}{SPLIT}1", f"{FASHION}-many_passes"
OTHER_DATA = f"{FASHION}-other_data"
EYES = "bci/eyes/cpu"
STUDIES = (CIFAR, FASHION, THUOCL, THUCNEWS)
JUDGED = (CIFAR, FASHION, THUCNEWS, REPLICATE, THUOCL)
AUDITED = (FASHION, THUOCL, CIFAR)
MOVED = (FASHION, REPLICATE, THUOCL)  # studies in which the owner moved its source to another task


def priced(study: str, twins: int, queries: int, pairs: int = 0, part: str = "auc"):
    """A mean AUC, or another part of its record, of twins and pairs, against all independent models."""
    return by_spending(Records.at(study, "price").rows())[twins, pairs, queries][part]


def varied(study: str, value: str, queries: int) -> float:
    """The mean AUC of another way, with so many queries."""
    rows = Records.at(study, "price").rows()
    return next(
        row["auc"] for row in rows if (row["value"], row["queries"], row["negatives"]) == (value, queries, "all")
    )


def verdicts(study: str, twins: int, queries: int, alpha: float = 0.01) -> dict:
    """What is recorded of verdicts by twins at a false positive rate, by the normal tail."""
    wanted = (twins, 0, queries, alpha, "student")
    names = ("twins", "pairs", "queries", "alpha", "tail")
    rows = Records.at(study, "price_verdicts").rows()
    return next(row for row in rows if tuple(row[name] for name in names) == wanted)


def flagged(study: str, twins: int, queries: int, group: str, alpha: float = 0.01) -> float:
    """The share of a group's models that are flagged."""
    return verdicts(study, twins, queries, alpha)[f"flagged_{group}"]


def audited(study: str, queries: int) -> list[int]:
    """How many of a study's audit six twins flag at ALPHA=0.01, and of how many."""
    by_group = verdicts(study, 6, queries)["audit"]
    return [sum(counts) for counts in zip(*by_group.values(), strict=True)]


def audits(queries: int) -> list[int]:
    """How many of each audit are flagged."""
    return [audited(study, queries)[0] for study in AUDITED]


def less_able(study: str, queries: int) -> list[int]:
    """How many less able models of a study's audit would be flagged whatever their own responses, and of how many."""
    found = verdicts(study, 6, queries)
    return [found["audit_in_any_range"]["less able"], found["audit"]["less able"][1]]


def of_stolen(name: str) -> list[float]:
    """The share of Fashion-MNIST's and CIFAR-10's stolen models that is flagged, or was without regard to its range."""
    return [verdicts(study, 6, 1_600)[f"{name}_stolen"] for study in (FASHION, CIFAR)]


def stopped(study: str, part: str) -> float:
    """Six twins, at most 800 queries and ALPHA=0.01, where looks share it."""
    rows = Records.at(study, "price_stopping").rows()
    names = ("twins", "pairs", "queries", "alpha")
    return next(row[part] for row in rows if tuple(row[name] for name in names) == (6, 0, 800, 0.01))


def unseen(study: str, attack: str) -> float:
    """The AUC of an attack that no method was chosen on, with six twins and 800 queries."""
    return priced(study, 6, 800, part="auc_by_unseen_attack")[attack]


def wrong(study: str, *kinds: str) -> int:
    """How many candidates of these kinds the source gets wrong."""
    found = labels.read(study)
    return int((found.among(*kinds) & (found.source != found.truth)).sum())


def attacked(queries: int, attack: str = "noise", part: str = "auc_after") -> float:
    """Of six twins on Fashion-MNIST, under an attack on so many queries."""
    rows = Records.at(FASHION, "price_erasure").rows()
    wanted = (METHOD, queries, attack)
    return next(row[part] for row in rows if (row["method"], row["queries"], row["attack_on_queries"]) == wanted)


def other(method: str, *, minus_twins: bool, study: str = FASHION) -> float:
    """The best mean AUC of another fingerprint on the same models."""
    rows = [row for row in Records.at(study, "price_baselines").rows() if row["method"] == method]
    return max(row["auc"] for row in rows if row["representation"].endswith(MINUS_TWINS) == minus_twins)


def asked(inputs: int) -> float:
    """The AUC of students of so many of the attacker's inputs, with six twins and 800 queries."""
    return priced(FASHION, 6, 800, part="auc_by_attackers_examples")[str(inputs)]


def moved(study: str, part: str, queries: int) -> float:
    """Of suspects of another task."""
    return next(row[part] for row in Records.at(study, "price_transfer").rows() if row["queries"] == queries)


def of_sources(study: str, compared_with: str, side: str = "irrelevant") -> list[float]:
    """The share of models of one side flagged at ALPHA=0.01 after 800 queries: mean over sources, and the largest."""
    rows, wanted = Records.at(study, "price_level").rows(), (compared_with, 800, 0.01)
    own = [row for row in rows if tuple(row[name] for name in ("compared_with", "budget", "alpha")) == wanted]
    flagged = [row[f"flagged_{side}"] for row in own]
    return [sum(flagged) / len(flagged), max(flagged)]


def highest_of_sources(study: str) -> list[float]:
    """The largest share of irrelevant and of homologous models that is flagged for a source."""
    return [of_sources(study, price_level.BOTH, side)[1] for side in price_level.SUSPECTS]


MEASURED = (
    Measured(
        PAGE,
        "where the twins alone reach {:.3f}, {:.3f} and {:.3f}.",
        lambda: [priced(study, 6, 200) for study in (CIFAR, FASHION, REPLICATE)],
    ),
    Measured(
        PAGE,
        "irrelevant ones are flagged at {:.3f}, whatever the source, homologous ones at {:.3f} on average and {:.3f} "
        "for one source.",
        lambda: [of_sources(FASHION, price_level.BOTH)[1], *of_sources(FASHION, price_level.BOTH, "homologous")],
    ),
    *(
        Measured(PAGE, words, partial(highest_of_sources, study))
        for words, study in (
            ("{:.3f} and {:.3f} at most, whatever", CIFAR),
            ("on THUOCL at {:.3f} and {:.3f}.", THUOCL),
        )
    ),
    Measured(
        PAGE,
        "audits**, {} further independent models on Fashion-MNIST, {} on THUOCL and {} on CIFAR-10",
        lambda: [audited(study, 800)[1] for study in AUDITED],
    ),
    *(
        Measured(PAGE, f"{words} {{}}, {{}} and {{}} with", partial(audits, n))
        for words, n in (("twins flags", 200), ("queries,", 800), ("queries, and", 1_600))
    ),
    Measured(PAGE, "{} of the {} less able ones on THUOCL would", lambda: less_able(THUOCL, 1_600)),
    Measured(
        PAGE,
        "flags {:.3f} of THUOCL's stolen models instead of {:.3f}, {:.3f} of THUCNews's instead of {:.3f}, and on",
        lambda: [
            verdicts(study, 6, 1_600)[f"{name}_stolen"]
            for study in (THUOCL, THUCNEWS)
            for name in ("flagged", "in_any_range")
        ],
    ),
    *(
        Measured(PAGE, words, partial(of_stolen, name))
        for words, name in (
            ("Fashion-MNIST and CIFAR-10 {:.3f} and {:.3f}, as without", "flagged"),
            ("Fashion-MNIST and CIFAR-10 {:.3f} and {:.3f}, as without", "in_any_range"),
        )
    ),
    Measured(
        PAGE,
        "without which {}, {} and {} would",
        lambda: [sum(verdicts(CIFAR, 6, n)["audit_in_any_range"].values()) for n in (200, 800, 1_600)],
    ),
    Measured(
        PAGE,
        "test inputs with an AUC of {:.2f} on Fashion-MNIST",
        lambda: [attacked(800, part="detection_auc")],
    ),
    Measured(
        PAGE,
        "or add noise leave a mean AUC of {:.2f} or more, those that erase queries {:.2f}.",
        lambda: [
            min(attacked(800, attack) for attack in ("random_responses", "refused", "noise")),
            attacked(800, "reconstructed"),
        ],
    ),
    Measured(
        PAGE,
        "erasure leaves {:.2f} of {:.2f}. Copies that were trained away from the source keep {:.2f}.",
        lambda: [
            attacked(200, "reconstructed"),
            attacked(200, "reconstructed", "auc_before"),
            min(attacked(queries, "removal") for queries in (200, 800)),
        ],
    ),
    Measured(PAGE, "SAC-m minus twins {:.3f} on Fashion-MNIST", lambda: [other("sac_m", minus_twins=True)]),
    Measured(
        PAGE,
        "FUAP {:.3f} and MetaFinger {:.3f} with",
        lambda: [other(method, minus_twins=False) for method in ("fuap", "metafinger")],
    ),
    Measured(PAGE, "as many queries reach {:.3f}.", lambda: [priced(FASHION, 6, 100)]),
    Measured(
        PAGE,
        "logits, from {:.3f} to {:.3f}, Evolved from {:.3f} to {:.3f}.",
        lambda: [other(method, minus_twins=minus) for method in ("modeldiff", "evolved") for minus in (False, True)],
    ),
    Measured(PAGE, "which falls to {:.3f}.", lambda: [other("metafinger", minus_twins=True)]),
    Measured(PAGE, "inputs on Fashion-MNIST reach {:.3f} and those", lambda: [asked(600)]),
    Measured(PAGE, "inputs reach {:.3f} with", lambda: [asked(20_000)]),
    Measured(
        PAGE,
        "is wrong on {:.0f} training example and on {:,.0f} held-out ones",
        lambda: [wrong(MANY_PASSES, labels.TRAINED), wrong(MANY_PASSES, *HELD_OUT)],
    ),
    Measured(PAGE, "as many passes reach {:.3f} with", lambda: [priced(MANY_PASSES, 6, 800)]),
    Measured(PAGE, "and {:.3f} with all of these mistakes", lambda: [priced(MANY_PASSES, 6, 1479)]),
    Measured(PAGE, "pairs {:.3f} and {:.3f}. At", lambda: [priced(MANY_PASSES, 6, n, 4) for n in (800, 1479)]),
    Measured(
        PAGE,
        "all of them flag {:.2f} of the stolen models and {:.3f} of the independent ones",
        lambda: [flagged(MANY_PASSES, 6, 1479, group) for group in ("stolen", "independent")],
    ),
    Measured(
        README,
        "the mean AUC is {:.3f} on CIFAR-10, {:.3f} on Fashion-MNIST ({:.3f} on its replicate) and {:.3f} on THUOCL",
        lambda: [priced(study, 6, 800) for study in (CIFAR, FASHION, REPLICATE, THUOCL)],
    ),
    Measured(
        PAGE,
        "mean AUC of {:.3f} on CIFAR-10, {:.3f} on Fashion-MNIST, {:.3f} on THUOCL and {:.3f} on THUCNews with",
        lambda: [priced(study, 6, 800) for study in STUDIES],
    ),
    Measured(
        PAGE,
        "one twin reaches {:.3f}, {:.3f}, {:.3f} and {:.3f} with",
        lambda: [priced(study, 1, 1600) for study in STUDIES],
    ),
    Measured(
        PAGE,
        "reach {:.3f} and {:.3f}. **Matched pairs",
        lambda: [priced(REPLICATE, 6, queries) for queries in (800, 1600)],
    ),
    Measured(
        PAGE,
        "they reach {:.3f}, {:.3f} and, on the replicate, {:.3f}",
        lambda: [priced(study, 6, 200, 4) for study in (CIFAR, FASHION, REPLICATE)],
    ),
    Measured(
        PAGE,
        "twins from {:.3f} to {:.3f} on CIFAR-10 and from {:.3f} to {:.3f} on Fashion-MNIST",
        lambda: [priced(study, 3, 200, pairs) for study in (CIFAR, FASHION) for pairs in (0, 4)],
    ),
    Measured(
        PAGE,
        "random held-out inputs reach {:.3f} and {:.3f}",
        lambda: [varied(study, "ordinary inputs", 800) for study in (CIFAR, FASHION)],
    ),
    Measured(
        PAGE,
        "int8 copies reach {:.3f}, {:.3f} and {:.3f} on Fashion-MNIST, its replicate and THUOCL",
        lambda: [unseen(study, "quantise_int8") for study in MOVED],
    ),
    Measured(
        PAGE,
        "students of mixed inputs {:.3f}, {:.3f} and {:.3f}. Accuracy",
        lambda: [unseen(study, "extract_mixed") for study in MOVED],
    ),
    Measured(
        PAGE,
        "own: {:.3f} on Fashion-MNIST, {:.3f} on its replicate and {:.3f} on THUOCL",
        lambda: [moved(study, "auc", 200) for study in MOVED],
    ),
    Measured(
        PAGE,
        "the same labels tell less: {:.3f}, {:.3f} and {:.3f}",
        lambda: [moved(study, "auc_untransferred", 200) for study in MOVED],
    ),
    Measured(PAGE, "always help ({:.3f} on the replicate", lambda: [moved(REPLICATE, "auc", 800)]),
    Measured(PAGE, "twins reach {:.3f} on them", lambda: [priced(EEG, 6, 47)]),
    Measured(PAGE, "spliced ones they reach {:.3f}, where", lambda: [varied(EEG, "mixed mistakes", 200)]),
    Measured(PAGE, "{:.3f} there with", lambda: [priced(EYES, 6, 200)]),
    Measured(PAGE, "plain agreement {:.3f}: sources", lambda: [priced(EYES, 0, 200)]),
    Measured(
        PAGE,
        "leads there with {:.3f}, minus twins {:.3f}; CAE",
        lambda: [other("zest", minus_twins=minus, study=EYES) for minus in (False, True)],
    ),
    Measured(PAGE, "CAE reaches {:.3f} from", lambda: [other("cae", minus_twins=False, study=EYES)]),
    Measured(
        PAGE,
        "people alone flag {:.3f} of the irrelevant models on average and {:.3f} for",
        lambda: of_sources(EYES, price_level.SAME),
    ),
    Measured(PAGE, "other people show more, {:.3f} and {:.3f}.", lambda: of_sources(EYES, price_level.BOTH)),
    Measured(PAGE, "the share is {:.3f} for each source", lambda: of_sources(OTHER_DATA, price_level.BOTH)[1:]),
    Measured(
        PAGE,
        "flag {:.2f} of the stolen models on CIFAR-10, {:.2f} on Fashion-MNIST and {:.2f} on THUCNews, "
        "{:.2f} on Fashion-MNIST's replicate and {:.2f} on THUOCL",
        lambda: [flagged(study, 6, 1600, "stolen") for study in JUDGED],
    ),
    Measured(
        PAGE,
        "independent models {:.3f}, {:.3f}, {:.3f}, {:.3f} and {:.3f} are flagged",
        lambda: [flagged(study, 6, 1600, "independent") for study in JUDGED],
    ),
    Measured(PAGE, "it is {:.3f} on the replicate", lambda: [flagged(REPLICATE, 6, 1600, "independent", 0.05)]),
    Measured(
        PAGE,
        "models are asked {:.0f} on CIFAR-10 and {:.0f} on Fashion-MNIST. Of",
        lambda: [stopped(study, "asked_flagged") for study in (CIFAR, FASHION)],
    ),
    Measured(
        PAGE,
        "Of the stolen models {:.3f} instead of {:.3f} and {:.3f} instead of {:.3f} are",
        lambda: [
            value
            for study in (CIFAR, FASHION)
            for value in (stopped(study, "flagged_stolen"), flagged(study, 6, 800, "stolen"))
        ],
    ),
    Measured(
        PAGE,
        "on THUOCL {:.3f} after {:.0f} queries",
        lambda: [stopped(THUOCL, "flagged_stolen"), stopped(THUOCL, "asked_flagged")],
    ),
)
