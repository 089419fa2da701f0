"""What a verdict costs: mean AUC by number of twins and of queries, and by what there is to ask."""

import numpy as np

from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.core import statistics
from fingerprinting.core.markdown import markdown_table
from fingerprinting.evaluation import price_level
from fingerprinting.evaluation.price import AUDITED, GRID, USUAL_TWINS, by_spending
from fingerprinting.fingerprints.registry import MINUS_TWINS
from fingerprinting.reports.formats import write_topic
from fingerprinting.reports.pages import heading, with_records
from fingerprinting.reports.sections import query_attacks
from fingerprinting.reports.table_cells import in_words
from fingerprinting.reports.words import said
from fingerprinting.study.domain import COMMITTED
from fingerprinting.study.records import Records
from fingerprinting.study.study import apart, tier_of

COLUMNS = (
    "tier,domain,dataset,study,value,twins,queries,negatives,n_pirated,n_independent,auc,auc_lowest_draw,auc_least,draws,"
    "seconds,source_seconds"
)
JUDGED = ((6, 0, 200), (6, 0, 800), (6, 0, 1_600), (3, 4, 200), (3, 4, 400))  # twins, pairs, queries
ALPHAS = (0.01, 0.05)
AGAINST_UNSEEN = ((1, 1_600), (6, 800), (6, 1_600))  # twins, queries
OF_ARCHITECTURES = (6, 800)
OF_STUDENTS = ((1, 1_600), (6, 800))  # twins, queries
OF_OWNERS, MOST_ASKED = (0, 1, 6), 800  # twins, and queries at most
SHOWN_ALPHAS = tuple(f"{alpha:g}" for alpha in ALPHAS)
PLACE = ("twins", "pairs", "queries", "alpha")
BY_ATTACK = (6, 0, 800, 0.01)  # twins, pairs, queries and ALPHA of the table by attack
ASKED = (200, 800)  # queries, in the table of what is varied
ADVERSARY = (
    "Queries of fingerprints on the same models: how well an attacker's detector distinguishes them from its own test "
    "inputs, and the mean AUC over the stealing attacks of the same task when stolen models respond to erased queries, "
    "at random where the detector sees one, not at all there, or with noise. Removal: copies trained away from the "
    "source (in brackets: fine-tuned without that objective)."
)


def write() -> None:
    """The CSV file over all studies."""
    write_topic("price", COLUMNS, [row for study in studies() for row in rows_of(study)])


def studies() -> list[str]:
    return with_records("price")


def committed() -> list[str]:
    """Those of the tiers that documents show."""
    return [study for study in studies() if tier_of(study.split("/")[2]) in COMMITTED]


def rows_of(study_folder: str) -> list[dict]:
    return Records.at(study_folder, "price").rows()


def section(records: list[dict], negatives: str = "all") -> list[str]:
    """A line for each number of twins, a column for each number of queries that the source's mistakes allow."""
    cells = _grid(records, negatives)
    if not cells:
        return []
    counts, queries = (sorted({place[index] for place in cells}) for index in (0, 1))
    lines = [[str(count), *(cell(cells.get((count, n))) for n in queries)] for count in counts]
    first = next(iter(cells.values()))
    return [
        "Mean AUC over the stealing attacks of the same task (lowest AUC of an attack), n = "
        f"{first['n_pirated']} stolen and {first['n_independent']} independent models, mean of {first['draws']} draws "
        "of the twins. Each twin costs one training of the source.",
        "",
        *markdown_table(["twins", *(f"{n} queries" for n in queries)], lines),
        "",
    ]


def cell(row: dict | None) -> str:
    return f"{row['auc']:.3f} ({row['auc_least']:.3f})" if row else ""


def block() -> str:
    """The tables of all studies, one of what else was varied, and one of how many models are flagged."""
    lines: list[str] = []
    for study in committed():
        lines += [f"### {heading(study)}", "", *section(rows_of(study))]
    lines += ["### Pairs, candidates, choice and recipe", "", *varied(), ""]
    for title, table in (
        ("Unseen attacks", unseen()),
        ("Attackers with less data", attackers_data()),
        ("Owners with less data", owners_data()),
        ("Architectures", architectures()),
        ("Suspects of another task", of_another_task()),
        ("Level for a given source", of_each_source()),
    ):
        lines += [f"### {title}", "", *table, ""] if table else []
    lines += ["### Verdicts", "", *verdicts()]
    audit = audits()
    lines += ["", "### Audits", "", *audit] if audit else []
    lines += baselines()
    adversary = query_attacks.by_size(committed())
    lines += ["", "### Detection, erasure, evasion and removal", "", ADVERSARY, "", *adversary] if adversary else []
    return "\n".join(lines)


def verdicts() -> list[str]:
    """A line for each choice of models and queries, two columns for each study: how many are flagged at ALPHA."""
    found = {study: Records.at(study, "price_verdicts").rows() for study in committed()}
    cells = {
        study: {tuple(row[name] for name in PLACE): row for row in rows if row["tail"] == "student"}
        for study, rows in found.items()
    }
    places = [(*place, alpha) for place in JUDGED for alpha in ALPHAS]
    cells = _with_any(cells, places)
    lines = [
        [_models(*place[:2]), str(place[2]), f"{place[3]:g}", *(_flagged(own.get(place)) for own in cells.values())]
        for place in places
        if any(place in own for own in cells.values())
    ]
    counts = {row["n_calibration"] for own in cells.values() for row in own.values()}
    return [
        "Share of stolen models flagged / of independent models flagged, by a normal tail over "
        f"{_counts(counts)} calibration models, mean over draws of the twins.",
        "",
        *markdown_table(["models", "queries", "ALPHA", *map(heading, cells)], lines),
    ]


def audits() -> list[str]:
    """A line for each choice of models and queries, rate and study with an audit set, and one for all; else none."""
    found = {study: Records.at(study, "price_verdicts").rows() for study in committed()}
    lines = []
    for place in ((*place, alpha) for place in JUDGED for alpha in ALPHAS):
        of_studies = [
            (heading(study), row["audit"])
            for study, rows in found.items()
            for row in rows
            if row["tail"] == "student" and row.get("audit") and tuple(row[name] for name in PLACE) == place
        ]
        if len(of_studies) > 1:
            each = {name: [own[name] for _, own in of_studies if name in own] for name in AUDITED}
            of_studies.append(("all", {name: np.sum(counts, axis=0) for name, counts in each.items() if counts}))
        for study, own in of_studies:
            flagged, n = np.sum(list(own.values()), axis=0)
            of_all = f"{flagged} of {n} ({_at_most(int(flagged), int(n)):.3f})"
            groups = ["{} of {}".format(*own[name]) if name in own else "" for name in AUDITED]
            lines.append([_models(*place[:2]), str(place[2]), f"{place[3]:g}", study, of_all, *groups])
    if not lines:
        return []
    return [
        "Independent models of the audit set that one fingerprint flags, the first draw's, by a normal tail. In "
        "brackets the upper end of the exact 95% interval.",
        "",
        *markdown_table(["models", "queries", "ALPHA", "study", "flagged", *AUDITED], lines),
    ]


def _at_most(flagged: int, n: int) -> float:
    return statistics.share(np.arange(n) < flagged)[2]


def _with_any(cells: dict[str, dict], places: list[tuple]) -> dict[str, dict]:
    """The studies that have something in one of these places: a source of few mistakes fills no budget."""
    return {study: own for study, own in cells.items() if any(place in own for place in places)}


def unseen() -> list[str]:
    """A line for each unseen attack and choice of models and queries, a column for each study; none where none is."""
    found = {study: _grid(rows_of(study)) for study in committed()}
    found = {
        study: cells for study, cells in found.items() if any(row.get("auc_by_unseen_attack") for row in cells.values())
    }
    attacks = dict.fromkeys(
        attack for cells in found.values() for row in cells.values() for attack in row["auc_by_unseen_attack"]
    )
    lines = [
        [
            attack,
            str(twins),
            str(queries),
            *(_unseen_cell(cells.get((twins, queries)), attack) for cells in found.values()),
        ]
        for attack in attacks
        for twins, queries in AGAINST_UNSEEN
        if any((twins, queries) in cells for cells in found.values())
    ]
    if not lines:
        return []
    return [
        "AUC against all independent models, mean over draws of the twins. In brackets the number of stolen models and "
        "their mean accuracy on test: what is not accurate is no copy.",
        "",
        *markdown_table(["attack", "twins", "queries", *map(heading, found)], lines),
    ]


def _unseen_cell(row: dict | None, attack: str) -> str:
    if row is None or attack not in row["auc_by_unseen_attack"]:
        return ""
    n, accuracy = row["n_by_unseen_attack"][attack], row["accuracy_by_unseen_attack"][attack]
    return f"{row['auc_by_unseen_attack'][attack]:.3f} (n = {n}, accuracy {accuracy:.2f})"


def attackers_data() -> list[str]:
    """A line for each study and number of inputs that students were made of; none where there are none."""
    lines = [
        [heading(study), count, str(usual["n_by_attackers_examples"][count])]
        + [f"{usual['accuracy_by_attackers_examples'][count]:.2f}"]
        + [f"{cells[place]['auc_by_attackers_examples'][count]:.3f}" if place in cells else "" for place in OF_STUDENTS]
        for study in committed()
        if (cells := _grid(rows_of(study)))
        for usual in [next(iter(cells.values()))]
        for count in sorted(usual.get("auc_by_attackers_examples", {}), key=int)
    ]
    if not lines:
        return []
    heads = ["study", "inputs", "n", "accuracy", *(f"{_models(n, 0)}, {queries} queries" for n, queries in OF_STUDENTS)]
    return [
        "AUC of students of the source's labels of so many of the attacker's inputs, against all independent models, "
        "and their mean accuracy on test.",
        "",
        *markdown_table(heads, lines),
    ]


def owners_data() -> list[str]:
    """A line for each number of examples of the owner's, of data sets that were studied with several; else none."""
    families: dict[str, list[str]] = {}
    for study in committed():
        domain, dataset, zoo = study.split("/")
        if all(word.startswith("POOL=") for word in apart(zoo)):
            families.setdefault(f"{domain} {dataset}", []).append(study)
    lines = []
    for name, studies in families.items():
        rows = [_most_asked(study) for study in studies if len(studies) > 1]
        for found in sorted((row for row in rows if row), key=lambda row: row[USUAL_TWINS]["source_examples"]):
            usual = found[USUAL_TWINS]
            counts = [str(usual["source_examples"]), str(usual["queries"])]
            lines.append([name, *counts, *(cell(found.get(twins)) for twins in OF_OWNERS)])
    if not lines:
        return []
    heads = ["data set", "owner's training examples", "queries", *(_models(twins, 0) for twins in OF_OWNERS)]
    return [
        "Mean AUC over the stealing attacks of the same task (lowest AUC of an attack) where everybody has less data "
        f"(`POOL`), with as many queries as there are mistakes, {MOST_ASKED} at most.",
        "",
        *markdown_table(heads, lines),
    ]


def _most_asked(study: str) -> dict[int, dict]:
    """Number of twins -> its row with the most queries up to MOST_ASKED; empty without the usual number of twins."""
    found: dict[int, dict] = {}
    for (twins, queries), row in sorted(_grid(rows_of(study)).items()):
        if queries <= MOST_ASKED:
            found[twins] = row
    return found if USUAL_TWINS in found else {}


def architectures() -> list[str]:
    """A line for each study and architecture; none where records have none."""
    lines = [
        [heading(study), name, *(_of_architecture(row, side, name) for side in ("stolen", "independent"))]
        for study in committed()
        if (row := _grid(rows_of(study)).get(OF_ARCHITECTURES)) and "auc_of_stolen_by_architecture" in row
        for name in dict.fromkeys([*row["auc_of_stolen_by_architecture"], *row["auc_of_independent_by_architecture"]])
    ]
    if not lines:
        return []
    twins, queries = OF_ARCHITECTURES
    return [
        f"AUC with {twins} twins and {queries} queries, mean over draws of the twins: an architecture's stolen models "
        "against all independent ones, and its independent models against all stolen ones.",
        "",
        *markdown_table(["study", "architecture", "its stolen models", "its independent models"], lines),
    ]


def _of_architecture(row: dict, side: str, name: str) -> str:
    found = row[f"auc_of_{side}_by_architecture"]
    return f"{found[name]:.3f} (n = {row[f'n_{side}_by_architecture'][name]})" if name in found else ""


def of_each_source() -> list[str]:
    """A line for each study, number of queries and group of calibration models; none where records have none."""
    lines: list[list[str]] = []
    sources: set[int] = set()
    judged: dict[str, set[int]] = {side: set() for side in price_level.SUSPECTS}
    for study in committed():
        found: dict[tuple[int, str], dict[str, list[dict]]] = {}
        for row in Records.at(study, "price_level").rows():
            found.setdefault((row["budget"], row["compared_with"]), {}).setdefault(f"{row['alpha']:g}", []).append(row)
        for budget, compared_with in sorted(found, key=lambda place: (place[0], price_level.COMPARED.index(place[1]))):
            rows = found[budget, compared_with]
            of_each = rows[SHOWN_ALPHAS[0]]
            sources.add(len(of_each))
            for side, counts in judged.items():
                counts.update(row[f"n_{side}"] for row in of_each)
            lines.append(
                [heading(study), str(budget), compared_with]
                + [_of_sources(rows[alpha], side) for alpha in SHOWN_ALPHAS for side in price_level.SUSPECTS]
            )
    if not lines:
        return []
    heads = [f"{side}, `ALPHA={alpha}`" for alpha in SHOWN_ALPHAS for side in price_level.SUSPECTS]
    return [
        f"The source and its twins, {_counts(sources)} models, each in the source's place and the others as its twins: "
        f"share of {_counts(judged['irrelevant'])} irrelevant and {_counts(judged['homologous'])} homologous models "
        "that are flagged by a normal tail over calibration models of the source's data, of other data, or over both, "
        "where the larger p-value counts. Mean over these sources (highest for one); held-out mistakes are asked.",
        "",
        *markdown_table(["study", "queries", "calibration models", *heads], lines),
    ]


def _counts(numbers: set[int]) -> str:
    return " or ".join(map(str, sorted(numbers)))


def _of_sources(rows: list[dict], side: str) -> str:
    flagged = [row[f"flagged_{side}"] for row in rows]
    return f"{np.mean(flagged):.3f} ({max(flagged):.3f})"


def of_another_task() -> list[str]:
    """A line for each study and number of queries; none where records have none."""
    lines = [
        [
            heading(study),
            str(row["queries"]),
            f"{row['auc']:.3f}",
            f"{row['auc_untransferred']:.3f}",
            *(
                f"{row['flagged_stolen'][alpha]:.2f} / {row['flagged_independent'][alpha]:.3f}"
                for alpha in SHOWN_ALPHAS
            ),
            f"{row['n_stolen']} / {row['n_independent']} / {row['n_calibration']}",
        ]
        for study in committed()
        for row in Records.at(study, "price_transfer").rows()
    ]
    if not lines:
        return []
    heads = [
        "study",
        "queries",
        "AUC",
        "AUC of plain likeness",
        *(f"flagged, `ALPHA={alpha}`" for alpha in SHOWN_ALPHAS),
    ]
    return [
        "Models that were moved to another task, beside the source and the twins that the owner moved there on data of "
        "its own; plain likeness is that to the source which nobody moved. Flagged: share of stolen / of independent "
        "models. n: stolen / independent / calibration models.",
        "",
        *markdown_table([*heads, "n"], lines),
    ]


def _grid(records: list[dict], negatives: str = "all") -> dict[tuple[int, int], dict]:
    """(twins, queries) -> their row against these independent models, without pairs."""
    return {(twins, n): row for (twins, pairs, n), row in by_spending(records, negatives).items() if not pairs}


def stopping() -> str:
    """A line for each choice of models and queries: who is flagged where looks share ALPHA; one for each attack."""
    found = {study: Records.at(study, "price_stopping").rows() for study in committed()}
    cells = {study: {tuple(row[name] for name in PLACE): row for row in rows} for study, rows in found.items()}
    cells = _with_any(cells, [(*place, alpha) for place in JUDGED for alpha in ALPHAS])
    at_once = {
        (study, *(row[name] for name in PLACE)): row["flagged_stolen"]
        for study in cells
        for row in Records.at(study, "price_verdicts").rows()
        if row["tail"] == "student"
    }
    heads = list(map(heading, cells))
    lines = [
        [_models(*place[:2]), str(place[2]), f"{alpha:g}"]
        + [_stopped(own.get((*place, alpha)), at_once.get((study, *place, alpha))) for study, own in cells.items()]
        for place in JUDGED
        for alpha in ALPHAS
        if any((*place, alpha) in own for own in cells.values())
    ]
    usual = {study: own[BY_ATTACK] for study, own in cells.items() if BY_ATTACK in own}
    attacks = dict.fromkeys(attack for row in usual.values() for attack in row["asked_by_attack"])
    by_attack = [
        [said(attack).replace("_", " "), *(f"{row['asked_by_attack'][attack]:.0f}" for row in usual.values())]
        for attack in attacks
    ]
    return "\n".join(
        [
            "Share of stolen models flagged at some look (by one verdict after all queries) / of independent models "
            "flagged at some look, and the mean number of queries that flagged stolen models are asked.",
            "",
            *markdown_table(["models", "queries", "ALPHA", *heads], lines),
            "",
            f"Mean number of queries that stolen models are asked, {_models(*BY_ATTACK[:2])}, at most {BY_ATTACK[2]} "
            f"queries, `ALPHA={BY_ATTACK[3]:g}`; who is flagged at no look is asked all.",
            "",
            *markdown_table(["attack", *map(heading, usual)], by_attack),
        ]
    )


def _stopped(row: dict | None, at_once: float | None) -> str:
    if row is None or at_once is None:
        return ""
    until = f", {row['asked_flagged']:.0f} queries" if row["asked_flagged"] is not None else ""
    return f"{row['flagged_stolen']:.2f} ({at_once:.2f}) / {row['flagged_independent']:.3f}{until}"


def baselines() -> list[str]:
    """Each other fingerprint on the same models, as published and minus twins; both by their best representation."""
    lines = []
    for study in committed():
        best: dict[str, list[dict | None]] = {}
        for row in Records.at(study, "price_baselines").rows():
            if row["method"] != METHOD:
                of_method = best.setdefault(row["method"], [None, None])
                place = row["representation"].endswith(MINUS_TWINS)
                if of_method[place] is None or row["auc"] > of_method[place]["auc"]:
                    of_method[place] = row
        ranked = sorted(best.values(), key=lambda rows: -max(row["auc"] for row in rows if row))
        lines += [of_baseline(heading(study), *rows) for rows in ranked]
    if not lines:
        return []
    heads = ["study", "fingerprint", "queries", "reference models", "as published: AUC (lowest)", "minus twins"]
    return [
        "",
        "### Other fingerprints on the same models",
        "",
        "Each by its best representation, with few reference models or none; minus twins: the distance to the source "
        "less the mean distance to its twins.",
        "",
        *markdown_table(heads, lines),
    ]


def of_baseline(study: str, published: dict | None, minus_twins: dict | None) -> list[str]:
    """A line of that table."""
    row = published or minus_twins
    assert row is not None
    given = f"{row['extra_models']} ({row['extra_models_s']:.0f} s)" if row["extra_models"] else "0"
    return [study, row["method"], str(row["queries"]), given, *map(_read_by, (published, minus_twins))]


def _read_by(row: dict | None) -> str:
    if row is None:
        return ""
    return f"{cell(row)}, {in_words(row['output'], row['representation'].removesuffix(MINUS_TWINS))}"


def _models(twins: int, pairs: int) -> str:
    return f"{twins} twin{'s' * (twins != 1)}" + (f", {pairs} pairs" if pairs else "")


def _flagged(row: dict | None) -> str:
    if row is None:
        return ""
    audit = f", audit {row['flagged_audit']:.3f} (n = {row['n_audit']})" if "flagged_audit" in row else ""
    return (
        f"{row['flagged_stolen']:.2f} / {row['flagged_independent']:.3f} "
        f"(n = {row['n_stolen']} / {row['n_independent']}){audit}"
    )


def varied() -> list[str]:
    """A line for each other variant and number of queries, a column for each study."""
    found = {
        study: {
            (row["study"], row["value"], _budget(row)): row
            for row in rows_of(study)
            if row["study"] != GRID and row["negatives"] == "all"
        }
        for study in committed()
    }
    places = dict.fromkeys(place for cells in found.values() for place in cells if place[2] in ASKED)
    lines = [
        [value, str(n), *(_with_count(cells.get((name, value, n))) for cells in found.values())]
        for name, value, n in sorted(places, key=lambda place: (ASKED.index(place[2]), list(places).index(place)))
    ]
    return markdown_table(["varied", "queries at most", *map(heading, found)], lines)


def _budget(row: dict) -> int:
    """The number of queries that was allowed, which the source's mistakes may not fill."""
    return int(row["key"].rsplit("/", 2)[1])


def _with_count(row: dict | None) -> str:
    if row is None:
        return ""
    return cell(row) + (f", {row['queries']} queries" if row["queries"] < _budget(row) else "")
