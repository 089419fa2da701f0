"""What of the papers is reproduced: a line per table and figure, with what they print and what records here have."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fingerprinting.core.markdown import markdown_table
from fingerprinting.deepcore.published_types import TYPES
from fingerprinting.reports.papers import measured
from fingerprinting.reports.papers.deepcore_tables import gaps_published, means_published
from fingerprinting.reports.papers.measured import CIFAR10, CIFAR100, series
from fingerprinting.reports.papers.published_deepcore import TABLE_1, TABLE_4, TABLE_5
from fingerprinting.reports.sections.published_numbers import PASSPORTS, RELEASED_MODELS, RELEASED_SECONDS

HEADS = ("", "shows", "command", "file here", "published", "here, cpu tier", "what is missing")
BELOW = "commands below"
TABLES, FIGURES = "results/tables", "results/figures"
SMALL = "the papers' networks: tier `paper`"


@dataclass(frozen=True)
class Line:
    """A table or figure of a paper: where it stands, the command and the file here, both numbers, what is missing.

    here: the same from records; an empty text where none has it.
    """

    name: str
    shows: str
    command: str
    file: str
    published: str = ""
    here: Callable[[], str] = str
    missing: str = ""


def block() -> str:
    """A table of Markdown for each paper."""
    lines: list[str] = []
    for paper, rows in PAPERS.items():
        cells = [
            [row.name, row.shows, row.command if row.command == BELOW else f"`{row.command}`"]
            + [f"[{row.file.rsplit('/', 1)[-1]}]({row.file})", row.published, row.here(), row.missing]
            for row in rows
        ]
        lines += [f"**{paper}**", "", *markdown_table(HEADS, cells), ""]
    return "\n".join(lines)


def _accuracies(attack: str) -> str:
    """Published accuracy under an attack on passports, for each strength."""
    found = [one.accuracy for one in PASSPORTS if one.attack == attack]
    return ", ".join(f"{low:.0%}" if low == high else f"{low:.0%} to {high:.0%}" for low, high in found)


def _aucs(attack_on_queries: str) -> str:
    return series(one.auc for one in measured.printed_of_titles(attack_on_queries))


def _released_seconds() -> str:
    return "; ".join(
        f"{name} {made:.0f} s, {matched / RELEASED_MODELS:.2f} s" for name, (made, matched) in RELEASED_SECONDS.items()
    )


PAPERS: dict[str, tuple[Line, ...]] = {
    "Xu et al., TIFS 2025: Primary and Evolved": (
        Line(
            "Fig. 1",
            "the four kinds of samples, and how they move",
            "python evolved.py",
            f"{FIGURES}/cv-fashion_mnist-cpu-samples.svg",
            "a sketch",
        ),
        Line(
            "Fig. 2",
            "six attacks on four data sets: Primary, Evolved, SAC, watermarks",
            "python reproduce.py",
            f"{TABLES}/auc.csv",
            "a radar chart without numbers",
            measured.mean_aucs,
            f"DEAP and MAHNOB-HCI, given out on request; watermarks; {SMALL}",
        ),
        Line(
            "Fig. 3",
            "seconds of making queries, and of matching a suspect (of text)",
            "python model_finger_match.py DOMAIN=nlp DATASET=thucnews",
            f"{TABLES}/timing.csv",
            f"a bar chart; the released code notes {_released_seconds()}",
            measured.seconds,
            "the same machine; here with the training of reference models",
        ),
        Line(
            "text numbers",
            "AUC of Primary on THUCNews: fine-tuned, pruned, labels, probabilities, transfer",
            "python reproduce.py DOMAIN=nlp DATASET=thucnews",
            f"{TABLES}/nlp-thucnews-cpu.md",
            _aucs(""),
            measured.titles,
            "BERT as the source: tier `paper`",
        ),
        Line(
            "text numbers",
            "the same after synonyms",
            "python detect_erase_attack.py DOMAIN=nlp DATASET=thucnews",
            f"{TABLES}/nlp-thucnews-cpu.md",
            _aucs("synonyms"),
            measured.titles_erased,
            "its own lexicon of 23 adjectives",
        ),
    ),
    "Sun, Zhang, Li, ECML PKDD 2025: DeepCore": (
        Line(
            "Table I",
            "number of models by type",
            BELOW,
            f"{TABLES}/deepcore-table-1.md",
            f"{sum(TABLE_1.values())} of {len(TYPES)} types",
            measured.models,
            f"extraction into the source's own architecture in the usual studies; {SMALL}",
        ),
        Line(
            "Table II",
            "radius and score of each core point; here their means at CP_3",
            BELOW,
            f"{TABLES}/deepcore-table-2.md",
            means_published(),
            measured.radii,
            "CIFAR-10 with the variant's models",
        ),
        Line(
            "Table III",
            "score differences; here how much farther homologous models are, at RP, CP_1, CP_2, CP_3",
            BELOW,
            f"{TABLES}/deepcore-table-3.md",
            series(gaps_published()),
            measured.gaps,
            "CIFAR-10 with the variant's models",
        ),
        Line(
            "Table IV",
            "MIR, FIR beside baselines; here DeepCore's by cosines",
            BELOW,
            f"{TABLES}/deepcore-table-4.md",
            "; ".join(f"{name} {series(rates)}" for name, rates in TABLE_4["DeepCore (Cos_dist)"].items()),
            measured.rates_by_cosines,
            "CIFAR-100",
        ),
        Line(
            "Table V",
            "clusterings; here MIR of modified and of homologous models by k-means",
            BELOW,
            f"{TABLES}/deepcore-table-5.md",
            series(TABLE_5[group]["k-means"][0] for group in ("PM", "HM")),
            measured.rates_by_clusters,
            "CIFAR-10 with the variant's models",
        ),
        Line("Fig. 4", "core points as images", "python deepcore.py", f"{FIGURES}/cv-cifar10-cpu-deepcore-points.svg"),
        Line(
            "Fig. 5",
            "score and radius grow together; here the median rank correlation of a point",
            "python deepcore.py DATASET=cifar10",
            f"{FIGURES}/cv-cifar10-cpu-deepcore-radius.svg",
            "ten curves",
            measured.along_the_way,
        ),
        Line(
            "Fig. 6, 8",
            "random against trained points; here the AUC of the L1 score against homologous models",
            "python deepcore.py DATASET=cifar10",
            f"{TABLES}/cv-cifar10-cpu-deepcore.md",
            "strips of points",
            measured.before_and_after,
        ),
        Line(
            "Fig. 7",
            "score differences by label",
            BELOW,
            f"{TABLES}/deepcore-table-3.md",
            "as Table III",
            measured.gaps,
            "drawn as a table only",
        ),
        Line(
            "Fig. 9",
            "clusters of models",
            "python deepcore.py DATASET=cifar10",
            f"{FIGURES}/cv-cifar10-cpu-deepcore-clusters.svg",
            "three panels",
        ),
    ),
    "Fan et al., NeurIPS 2019 and TPAMI 2021: passports": (
        Line(
            "accuracy",
            "of networks with passports, schemes 1 to 3",
            "python cv/passport/train.py DATASET=cifar10",
            f"{TABLES}/cv-cifar10-cpu-passports.md",
            _accuracies("none"),
            partial(measured.passports, CIFAR10, "none", None),
            f"ImageNet, Caltech; {SMALL}",
        ),
        Line(
            "fake-1",
            "accuracy under random passports",
            "python cv/passport/attack.py DATASET=cifar10",
            f"{TABLES}/cv-cifar10-cpu-passports.md",
            f"{_accuracies('fake1')}, at most 35%",
            partial(measured.passports, CIFAR10, "fake1", None),
            "the published low accuracy: see docs/passports.md",
        ),
        Line(
            "fake-2",
            "accuracy under reverse-engineered passports, half of the signs flipped",
            "python cv/passport/attack.py DATASET=cifar10",
            f"{TABLES}/cv-cifar10-cpu-passports.md",
            _accuracies("fake2"),
            partial(measured.passports, CIFAR10, "fake2", 0.5),
            "100 epochs over the training set",
        ),
        Line(
            "fake-3",
            "the same from the owner's passports",
            "python cv/passport/attack.py DATASET=cifar10",
            f"{TABLES}/cv-cifar10-cpu-passports.md",
            "not in the parts that could be read",
            partial(measured.passports, CIFAR10, "fake3", 0.5),
        ),
        Line(
            "flips",
            "accuracy with 0, 10, 20, 30, 40, 50% of the signs flipped",
            "python cv/passport/attack.py DATASET=cifar100",
            f"{TABLES}/cv-cifar100-cpu-passports.md",
            _accuracies("flip"),
            partial(measured.passports, CIFAR100, "flip", 0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
            SMALL,
        ),
        Line(
            "pruning",
            "share of the owner's bits left at 60, 80, 90%",
            "python cv/passport/attack.py DATASET=cifar10",
            f"{TABLES}/cv-cifar10-cpu-passports.md",
            "not in the parts that could be read; Uchida's watermark 100% at 65%",
            partial(measured.passports, CIFAR10, "prune", 0.6, 0.8, 0.9, value="owner_detection"),
        ),
        Line(
            "fine-tuning",
            "accuracy under the owner's passports: old head (FTAL), new head (RTAL)",
            "python cv/passport/attack.py DATASET=cifar10",
            f"{TABLES}/cv-cifar10-cpu-passports.md",
            "not in the parts that could be read; Uchida's watermark 100%, Adi's 25%, from CIFAR-10 to CIFAR-100",
            partial(measured.passports, CIFAR10, "fine_tune", "ftal", "rtal"),
        ),
        Line(
            "stealing",
            "passports and fingerprints under the stealing attacks",
            "python cv/passport/steal.py",
            f"{TABLES}/cv-fashion_mnist-cpu-passports.md",
            "not published",
        ),
    ),
}
