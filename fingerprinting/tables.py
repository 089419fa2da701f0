"""Tables from records: CSV for machines, Markdown for people."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fingerprinting import files, runtime, statistics
from fingerprinting.attacks import KINDS
from fingerprinting.domain import DOMAINS
from fingerprinting.methods import METHODS
from fingerprinting.published import PUBLISHED
from fingerprinting.records import Records
from fingerprinting.study import SPLIT
from fingerprinting.suspects import ATTACKS, MEANS, NEGATIVES

AUC_COLUMNS = (
    "tier,domain,dataset,method,output,representation,attack,negatives,n_pirated,n_independent,auc,auc_low,auc_high,"
    "tpr_at_fpr0,tpr_at_fpr1"
)
MIR_FIR_COLUMNS = (
    "tier,domain,dataset,method,output,representation,negatives,threshold_from,n_calibration,threshold,n_pirated,mir,"
    "mir_low,mir_high,n_independent,fir,fir_low,fir_high"
)
TIMING_COLUMNS = "tier,domain,dataset,method,generate_s,match_s,queries,extra_models,extra_models_s"
MODEL_COLUMNS = (
    "tier,domain,dataset,kind,n,test_accuracy_mean,test_accuracy_min,dev_accuracy_mean,fidelity_mean,fidelity_min,"
    "fidelity_max,flagged,seconds"
)

FOR_5_PERCENT = 19  # calibration models: the least p-value of n is 1 / (n + 1)
VERDICT_COLUMNS = (
    "tier,domain,dataset,use,kind,level,cleared,n_calibration,n,stolen,stolen_low,stolen_high,stolen_at_5,independent,"
    "inconclusive"
)

GENERALISATION_COLUMNS = (
    "tier,domain,dataset,study,value,attack,n_references,queries,n_pirated,n_independent,auc,auc_low,auc_high,auc_least"
)

ORIGINS = ("references", "scored")  # of a threshold
GENERALISATIONS = (  # in this order in the table
    "all references",
    "queries",
    "candidates offered",
    "references",
    "references alike",
    "data",
    "theft left out",
    "design left out, its thefts",
    "design left out, itself",
    "score",
    "selection",
    "candidates",
)
AVERAGED = ("theft left out", "design left out, its thefts", "design left out, itself")  # in README
ERASURE_COLUMNS = (
    "tier,domain,dataset,method,output,representation,attack_on_queries,detection_rate_fpr1,detection_rate_fpr5,"
    "detection_auc,auc_before,auc_after,accuracy_cost"
)

EXTRACTION_COLUMNS = (
    "tier,domain,dataset,method,output,representation,asked,n_pirated,n_independent,test_accuracy,fidelity,auc"
)


def folder() -> Path:
    return files.results_dir() / "tables"


@files.alone_in_results()
def write() -> None:
    """CSV files over all studies that have records, and a page of Markdown for each."""
    studies = study_folders()
    for topic, columns in (("auc", AUC_COLUMNS), ("mir_fir", MIR_FIR_COLUMNS), ("timing", TIMING_COLUMNS)):
        write_csv(folder() / f"{topic}.csv", columns, [row for name in studies for row in _rows(name, topic)])
    write_csv(folder() / "erasure.csv", ERASURE_COLUMNS, [row for name in studies for row in erasure_rows(name)])
    write_csv(folder() / "verdicts.csv", VERDICT_COLUMNS, [row for name in studies for row in verdict_rows(name)])
    write_csv(
        folder() / "extraction.csv", EXTRACTION_COLUMNS, [row for name in studies for row in extraction_rows(name)]
    )
    generalised = [row for name in studies for row in _rows(name, "generalisation")]
    write_csv(folder() / "generalisation.csv", GENERALISATION_COLUMNS, generalised)
    write_csv(folder() / "models.csv", MODEL_COLUMNS, [row for name in studies for row in model_rows(name)])
    for name in studies:
        files.write_text(page_path(name), page(name))


def study_folders() -> list[str]:
    """`domain/dataset/tier` of every study that has matching records."""
    records = files.results_dir() / "records"
    found = [path.parent.relative_to(records).as_posix() for path in records.glob("*/*/*/auc.jsonl")]
    return sorted(found, key=_place)


def _place(study_folder: str) -> tuple[int, str]:
    """Domains in their usual order, a user's own after them."""
    domain = study_folder.split("/")[0]
    return (DOMAINS.index(domain) if domain in DOMAINS else len(DOMAINS), study_folder)


def write_csv(path: Path, columns: str, rows: list[dict]) -> None:
    names, text = columns.split(","), io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(row.get(name)) for name in names} for row in rows)
    files.write_text(path, text.getvalue())


def model_rows(study_folder: str) -> list[dict]:
    """One row per kind of model: accuracy, fidelity, how many lost too much accuracy, seconds of training."""
    domain, dataset, tier = study_folder.split("/")
    kinds: dict[str, list[dict]] = defaultdict(list)
    for row in _rows(study_folder, "models"):
        kinds[row["kind"]].append(row)
    rows = []
    for kind, models in kinds.items():
        test, fidelity = (_present(models, name) for name in ("test_accuracy", "fidelity"))
        rows.append(
            {
                "tier": tier,
                "domain": domain,
                "dataset": dataset,
                "kind": kind,
                "n": len(models),
                "test_accuracy_mean": np.mean(test),
                "test_accuracy_min": np.min(test),
                "dev_accuracy_mean": np.mean(_present(models, "dev_accuracy")),
                "fidelity_mean": np.mean(fidelity) if fidelity else None,
                "fidelity_min": np.min(fidelity) if fidelity else None,
                "fidelity_max": np.max(fidelity) if fidelity else None,
                "flagged": sum(bool(model.get("flagged")) for model in models),
                "seconds": sum(model["seconds"] for model in models),
            }
        )
    return rows


def page(study_folder: str) -> str:
    """All of one study in Markdown: AUC by theft, its means by group of negatives, the models."""
    domain, dataset, tier = study_folder.split("/")
    rows = _ordered(_rows(study_folder, "auc"))
    models = {row["kind"]: row for row in model_rows(study_folder)}
    cells = {(_reading(row), row["attack"], row["negatives"]): row for row in rows}
    readings = list(dict.fromkeys(_reading(row) for row in rows))
    thefts = [name for name in ATTACKS if any(row["attack"] == name for row in rows)]
    lines = [
        f"# {domain}, {dataset}, {tier} tier",
        "",
        f"Mean AUC over {_mean_over(rows)} [95% bootstrap interval].",
        "",
    ]
    lines += [*_means(readings, cells), ""]
    lines += [f"AUC of each theft against all independent models [95% bootstrap interval].{_flag_note(models)}", ""]
    heads = [f"{name}{' †' if models.get(name, {}).get('flagged') else ''}" for name in thefts]
    counts = [
        _counts(next(row for row in rows if (row["attack"], row["negatives"]) == (name, "all"))) for name in thefts
    ]
    lines += markdown_table(
        ["fingerprint", "reading, output", *heads],
        [["", "pirated / independent", *counts]]
        + [[*_names(reading), *(_auc(cells.get((reading, name, "all"))) for name in thefts)] for reading in readings],
    )
    lines += ["", *_published(study_folder, cells)]
    lines += [*_errors(study_folder), *verdict_section(study_folder)]
    lines += [*generalisation_section(study_folder), *_costs(study_folder)]
    lines += [*erasure_section(study_folder), *extraction_section(study_folder)]
    lines += ["The models. Fidelity is agreement with the source on test data; seconds are of one core.", ""]
    lines += _model_table(models)
    return "\n".join([*lines, ""])


def _errors(study_folder: str) -> list[str]:
    """Missed and false identification rates (DeepCore's MIR, FIR), with the owner's threshold and the in-sample one."""
    rows = _rows(study_folder, "mir_fir")
    cells = {(_reading(row), row["negatives"], row["threshold_from"]): row for row in rows}
    readings = [reading for reading in _order() if any((reading, "all", origin) in cells for origin in ORIGINS)]
    if not readings:
        return []
    heads = [f"{error}, {origin}" for origin in ORIGINS for error in ("MIR", "FIR", "FIR of homologous")]
    lines = []
    for reading in readings:
        line = _names(reading)
        for origin in ORIGINS:
            both = [cells.get((reading, group, origin)) for group in ("all", "homologous")]
            line += [_rate(both[0], "mir"), *(_rate(row, "fir") for row in both)]
        lines.append(line)
    counts = cells[(readings[0], "all", "references")]
    return [
        f"Missed (MIR) and false (FIR) identifications over the thefts of the same task [95% binomial interval], n = "
        f"{_counts(counts)}. The threshold comes from the owner's {counts['n_calibration']} reference models "
        "(`references`), or is the best one for the very models that are scored, as in the papers (`scored`).",
        "",
        *markdown_table(["fingerprint", "reading, output", *heads], lines),
        "",
    ]


def verdict_rows(study_folder: str) -> list[dict]:
    """One row per kind of model, and per use of the source's task: what share of them got which verdict."""
    domain, dataset, tier = study_folder.split("/")
    groups: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for row in _rows(study_folder, "verdicts"):
        use = row["use"] if row["share"] == 1 else f"{row['use']}, {row['share']:.2g} of the data"
        groups[use, row["kind"]].append(row)
        if not KINDS[row["kind"]].on_target:
            groups[use, f"all {row['role']}"].append(row)
    order = [*KINDS, "all pirated", "all independent"]
    rows = []
    for (use, kind), found in sorted(groups.items(), key=lambda group: order.index(group[0][1])):
        own = {name: found[0][name] for name in ("level", "cleared", "n_calibration")}
        own["out_of_range"] = float(np.mean([not row["in_range"] for row in found]))
        outcomes = {
            name: sum(row["outcome"] == name for row in found) / len(found) for name in ("independent", "inconclusive")
        }
        # The least p-value of n models is 1 / (n + 1): a verdict that cannot be passed is no measurement.
        if found[0]["cleared"] < 1 / (1 + found[0]["n_thefts"]):
            del outcomes["independent"]
        if found[0]["level"] >= 1 / (1 + found[0]["n_calibration"]):
            names = ("stolen", "stolen_low", "stolen_high")
            shares = statistics.share(np.array([row["outcome"] == "stolen" for row in found]))
            outcomes |= dict(zip(names, shares, strict=True))
        if found[0]["n_calibration"] >= FOR_5_PERCENT:
            outcomes["stolen_at_5"] = float(np.mean([row["p_honest"] <= 0.05 and row["in_range"] for row in found]))
        names = {"tier": tier, "domain": domain, "dataset": dataset, "use": use, "kind": kind}
        rows.append({**names, **own, "n": len(found)} | outcomes)
    return rows


def _stolen(row: dict) -> str:
    if "stolen" not in row:
        return f"not possible at {row['level']:.0%}"
    return f"{row['stolen']:.3f} [{row['stolen_low']:.3f}, {row['stolen_high']:.3f}]"


def verdict_section(study_folder: str) -> list[str]:
    """What the calibrated fingerprint says of every kind of model, in Markdown; nothing where it was not matched."""
    rows = verdict_rows(study_folder)
    if not rows:
        return []
    first = rows[0]
    return [
        f"Verdicts of the calibrated fingerprint: `stolen` where at most {first['level']:.0%} of the calibration "
        "independents that a model is compared with show as much evidence (conformal p-value), `independent` "
        f"where at most {first['cleared']:.0%} of the reference thefts, held out, show as little and most calibration "
        "independents show more, else `inconclusive`, as is whatever is less able than all of them (`out of range`) "
        "[95% binomial interval]; not possible where too few models are there to compare with.",
        "",
        *markdown_table(
            [
                "use",
                "kind",
                "n",
                "compared with",
                "stolen",
                "independent",
                "inconclusive",
                "out of range",
                "stolen at 5%",
            ],
            [
                [row["use"], row["kind"], str(row["n"]), str(row["n_calibration"])]
                + [_stolen(row)]
                + [
                    f"{row[name]:.3f}" if name in row else "not possible"
                    for name in ("independent", "inconclusive", "out_of_range", "stolen_at_5")
                ]
                for row in rows
            ],
        ),
        "",
    ]


def audit_aucs(study_folder: str) -> dict[str, dict]:
    """Theft, and "mean" -> AUC by evidence against the audit's independents; empty where no audit was judged.

    Less able ones, who saw a share of the data, are left out, as there are none among those that are scored.
    """
    rows = [row for row in _rows(study_folder, "verdicts") if row["share"] == 1 and not KINDS[row["kind"]].on_target]
    fresh = -np.array([row["evidence"] for row in rows if row["use"] == "audit"])
    if not len(fresh):
        return {}
    generator = np.random.default_rng(runtime.seed_from(f"{study_folder}/audit"))
    counts = statistics.resampled(len(fresh), statistics.DRAWS, generator)  # one for all thefts: the mean's interval
    found, draws = {}, []
    for theft in MEANS["mean_same_task"]:
        stolen = -np.array([row["evidence"] for row in rows if row["kind"] == theft])
        if len(stolen):
            own = statistics.resampled(len(stolen), statistics.DRAWS, generator)
            draws.append(statistics.auc_draws(stolen, fresh, own, counts))
            found[theft] = _auc_cells(statistics.auc(stolen, fresh), draws[-1])
    if not found:
        return {}
    mean = float(np.mean([row["auc"] for row in found.values()]))
    return {**found, "mean": _auc_cells(mean, np.mean(draws, axis=0))}


def _auc_cells(auc: float, draws: np.ndarray) -> dict[str, float]:
    low, high = statistics.interval(draws)
    return {"auc": auc, "auc_low": low, "auc_high": high}


def calibrated_cells(study_folder: str) -> dict[str, str]:
    """What README shows of the calibrated fingerprint in one study: name of the line -> cell."""
    auc = {
        (row["representation"], row["attack"]): row for row in _rows(study_folder, "auc") if row["negatives"] == "all"
    }
    cells = {}
    if row := auc.get(("theft_evidence", "mean_same_task")):
        thefts = [auc["theft_evidence", name] for name in row["mean_over"]]
        cells["mean AUC"] = _auc(row, 3)
        cells["least of the thefts"] = f"{min(theft['auc'] for theft in thefts):.3f}"
        cells["transfer"] = _auc(auc.get(("transfer_evidence", "transfer")), 3)
    if fresh := audit_aucs(study_folder):
        cells["mean AUC against the audit's independents"] = _auc(fresh.pop("mean"), 3)
        cells["least of the thefts against them"] = f"{min(row['auc'] for row in fresh.values()):.3f}"
    for row in verdict_rows(study_folder):
        share = f"{_stolen(row)}, n = {row['n']}"
        if (row["use"], row["kind"]) == ("scored", "all pirated"):
            cells[f"thefts called stolen at {row['level']:.0%}"] = share
            others = [name for name in ("independent", "inconclusive") if name in row]
            cells |= {f"thefts called {name}": f"{row[name]:.3f}" for name in others}
        elif row["kind"] == "all independent":
            cells[f"independents called stolen, {row['use']}"] = share
            if row["use"] == "scored":
                cells["independents called inconclusive, scored"] = f"{row['inconclusive']:.3f}"
    cells |= _accused_of(study_folder, "irrelevant") | _accused_of(study_folder, "homologous")
    means: dict[str, list[float]] = defaultdict(list)
    for row in _generalised(study_folder):
        if row["study"] not in ("all references", "candidates"):
            one_each = row["study"] not in AVERAGED
            models = f" ({row['n_references']} references)" if row["study"] == "data" else ""
            means[f"{row['study']}: {row['value']}{models}" if one_each else row["study"]].append(row["auc"])
    return cells | {f"mean AUC, {name}": f"{np.mean(values):.3f}" for name, values in means.items()}


def _accused_of(study_folder: str, data: str) -> dict[str, str]:
    """How many of the audit's models of these data were accused at 5%: calibration models are homologous ones."""
    kinds = [f"audit_{data}", f"audit_{data}_adversarial"]
    rows = [row for row in _rows(study_folder, "verdicts") if row["kind"] in kinds and row["share"] == 1]
    if not rows or rows[0]["n_calibration"] < FOR_5_PERCENT:
        return {}
    share, low, high = statistics.share(np.array([row["p_honest"] <= 0.05 and row["in_range"] for row in rows]))
    return {f"independents called stolen at 5%, audit, {data}": f"{share:.3f} [{low:.3f}, {high:.3f}], n = {len(rows)}"}


def _generalised(study_folder: str) -> list[dict]:
    """The mean row of every variant, in the order of the tables."""
    rows = [row for row in _rows(study_folder, "generalisation") if row["attack"] == "mean"]
    order = GENERALISATIONS.index
    return sorted(rows, key=lambda row: (order(row["study"]), not row["value"].isdigit(), row["value"].zfill(4)))


def generalisation_section(study_folder: str) -> list[str]:
    """What the calibrated fingerprint loses when something is left out, in Markdown; nothing where that was not run."""
    rows = _generalised(study_folder)
    if not rows:
        return []
    return [
        "The calibrated fingerprint with something left out or done otherwise: mean AUC over the thefts that are "
        "judged, the least of them, against all independents that are. A theft left out is missing among the "
        "references and is alone judged; a design left out likewise, once as the thief's and once as an honest one's. "
        "Where models are left out, no candidates are offered that were made with models.",
        "",
        *markdown_table(
            ["varied", "how", "references", "queries", "pirated / independent", "mean AUC", "least"],
            [
                [row["study"], row["value"], str(row["n_references"]), str(row["queries"]), _counts(row)]
                + [f"{row['auc']:.3f}", f"{row['auc_least']:.3f}"]
                for row in rows
            ],
        ),
        "",
    ]


def _rate(row: dict | None, error: str) -> str:
    return f"{row[error]:.2f} [{row[f'{error}_low']:.2f}, {row[f'{error}_high']:.2f}]" if row else ""


def _costs(study_folder: str) -> list[str]:
    rows = sorted(_rows(study_folder, "timing"), key=lambda row: list(_fingerprints()).index(row["method"]))
    if not rows:
        return []
    return [
        "What a fingerprint costs. Matching is one suspect asked, and its answers read in every way of these tables.",
        "",
        *markdown_table(
            ["fingerprint", "queries", "making them, s", "models for reference", "their training, s", "matching, s"],
            [
                [row["method"], str(row["queries"]), f"{row['generate_s']:.2f}", str(row["extra_models"] or "")]
                + [f"{row['extra_models_s']:.0f}" if row["extra_models"] else "", f"{row['match_s']:.3f}"]
                for row in rows
            ],
        ),
        "",
    ]


def _fingerprints() -> dict[str, None]:
    return dict.fromkeys(method.name for method in METHODS)


def erasure_rows(study_folder: str) -> list[dict]:
    """One row per reading and attack on queries: the mean over the thefts of the same task against all independents.

    `removal` is a theft of its own; its AUC before is that of copies which were trained on without its aim.
    """
    keys = _order()
    rows = [row for row in _rows(study_folder, "erasure") if row["attack"] in ("mean_same_task", "removal")]
    return sorted((row for row in rows if row["negatives"] == "all"), key=lambda row: keys.index(_reading(row)))


def erasure_section(study_folder: str) -> list[str]:
    """What becomes of every fingerprint when the thief answers back, in Markdown; nothing where that was not run."""
    rows = erasure_rows(study_folder)
    if not rows:
        return []
    cells = {(_reading(row), row["attack_on_queries"]): row for row in rows}
    readings = list(dict.fromkeys(_reading(row) for row in rows))
    answers = [name for name in dict.fromkeys(row["attack_on_queries"] for row in rows) if name != "removal"]
    detected = {row["method"]: row for row in rows if "detection_auc" in row}
    found = next(iter(detected.values()))
    lines = [
        f"The thief answers back. It was fitted on the attacker's part alone, its thresholds come from "
        f"{found['n_held_out']} inputs of it held out; they flag {found['false_alarms_fpr1']:.1%} and "
        f"{found['false_alarms_fpr5']:.1%} of {found['n_benign']} test inputs.",
        "",
    ]
    lines += markdown_table(
        ["fingerprint", "queries", "flagged at 1% false alarms", "at 5%", "AUC of detection"],
        [
            [name, str(row["n_queries"]), f"{row['detection_rate_fpr1']:.1%}", f"{row['detection_rate_fpr5']:.1%}"]
            + [f"{row['detection_auc']:.2f}"]
            for name, row in detected.items()
        ],
    )
    lines += [
        "",
        "Mean AUC over the thefts of the same task when these answer back and independents answer honestly. An AUC far "
        "below 0.5 clears nobody: such answers differ from everybody's, which a second threshold on the far side would "
        "see. `removal`: copies trained away from the source, and in round brackets copies trained on as usual.",
        "",
    ]
    costs = {row["attack_on_queries"]: f"{row['accuracy_cost']:.1%}" for row in rows}
    lines += markdown_table(
        ["fingerprint", "reading, output", "honest", *answers, "removal"],
        [["", "loss of test accuracy", "", *(costs.get(name, "") for name in (*answers, "removal"))]]
        + [
            [*_names(reading), f"{_first(cells, reading)['auc_before']:.2f}"]
            + [_after(cells.get((reading, name))) for name in answers]
            + [f"{_after(row)} ({row['auc_before']:.2f})" if (row := cells.get((reading, "removal"))) else ""]
            for reading in readings
        ],
    )
    return [*lines, ""]


def extraction_rows(study_folder: str) -> list[dict]:
    """One row per reading and number of inputs asked: the mean over the sweep's students, in the order of methods."""
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for row in _rows(study_folder, "extraction"):
        groups[_reading(row), row["asked"]].append(row)
    order = _order()
    return [
        {
            **groups[reading, asked][0],
            "n_pirated": len(groups[reading, asked]),
            "test_accuracy": np.mean([row["test_accuracy"] for row in groups[reading, asked]]),
            "test_accuracy_lowest": min(row["test_accuracy"] for row in groups[reading, asked]),
            "fidelity": np.mean([row["fidelity"] for row in groups[reading, asked]]),
            "auc": np.mean([row["beats"] for row in groups[reading, asked]]),
        }
        for reading, asked in sorted(groups, key=lambda group: (order.index(group[0]), group[1]))
    ]


def extraction_section(study_folder: str) -> list[str]:
    """How much a thief by extraction must ask, in Markdown; nothing where the sweep was not run."""
    rows = extraction_rows(study_folder)
    if not rows:
        return []
    cells = {(_reading(row), row["asked"]): row for row in rows}
    readings = list(dict.fromkeys(_reading(row) for row in rows))
    students = {row["asked"]: row for row in rows}
    return [
        "How much a thief by extraction must ask: mean AUC of students of the source's labels of that many inputs, "
        "against all independents. They stand in no mean. A student that has learnt next to nothing, as its test "
        "accuracy shows, is told by giving one answer to nearly everything, not by what it took.",
        "",
        *markdown_table(
            ["fingerprint", "reading, output", *(f"{asked} asked" for asked in students)],
            [["", "pirated / independent", *map(_counts, students.values())]]
            + [
                ["", "test accuracy, mean (lowest)"]
                + [f"{row['test_accuracy']:.3f} ({row['test_accuracy_lowest']:.3f})" for row in students.values()]
            ]
            + [["", "fidelity, mean", *(f"{row['fidelity']:.3f}" for row in students.values())]]
            + [
                [*_names(reading), *(f"{cells[reading, asked]['auc']:.2f}" for asked in students)]
                for reading in readings
            ],
        ),
        "",
    ]


def _first(cells: dict, reading: tuple) -> dict:
    return next(row for (own, name), row in cells.items() if own == reading and name != "removal")


def _after(row: dict | None) -> str:
    return f"{row['auc_after']:.2f} [{row['auc_low']:.2f}, {row['auc_high']:.2f}]" if row else ""


def mean_aucs(study_folder: str) -> dict[tuple[str, str, str], dict]:
    """Reading -> its mean AUC over the thefts of the same task, against all independents, in the order of methods."""
    return {
        _reading(row): row
        for row in _ordered(_rows(study_folder, "auc"))
        if (row["attack"], row["negatives"]) == ("mean_same_task", "all")
    }


def summary(studies: list[str]) -> str:
    """Every method in every study by one number: the mean AUC over the thefts of the same task, against all."""
    found = {study: rows for study in studies if (rows := mean_aucs(study))}
    readings = [reading for reading in _order() if any(reading in rows for rows in found.values())]
    heads = map(heading, found)
    counts = [_counts(next(iter(rows.values()))) for rows in found.values()]
    table = markdown_table(
        ["fingerprint", "reading, output", *heads],
        [["", "pirated / independent", *counts]]
        + [[*_names(reading), *(_auc(rows.get(reading)) for rows in found.values())] for reading in readings],
    )
    return "\n".join([*table, "", f"Every theft, group of independents and kind of model: {links(found)}."])


def heading(study_folder: str) -> str:
    """A study in the head of a column: its domain and data set, and the seed of another cut."""
    domain, dataset, tier = study_folder.split("/")
    _, another, seed = tier.partition(SPLIT)
    return f"{domain} {dataset}" + (f", SPLIT_SEED={seed}" if another else "")


def links(studies: Iterable[str]) -> str:
    """To the pages of studies, as README gives them."""
    paths = [page_path(study) for study in studies]
    return ", ".join(f"[{path.stem}]({path.relative_to(files.results_dir().parent)})" for path in paths)


def page_path(study_folder: str) -> Path:
    return folder() / f"{study_folder.replace('/', '-')}.md"


def _means(readings: list, cells: dict) -> list[str]:
    groups = [("mean_same_task", group) for group in NEGATIVES] + [("mean_all", "all")]
    groups = [group for group in groups if any((reading, *group) in cells for reading in readings)]
    heads = [f"same task, {group}" if mean == "mean_same_task" else "transfer too, all" for mean, group in groups]
    counts = [
        _counts(next(cells[(reading, *group)] for reading in readings if (reading, *group) in cells))
        for group in groups
    ]
    return markdown_table(
        ["fingerprint", "reading, output", *heads],
        [["", "pirated / independent", *counts]]
        + [[*_names(reading), *(_auc(cells.get((reading, *group))) for group in groups)] for reading in readings],
    )


def _mean_over(rows: list[dict]) -> str:
    named = next((row["mean_over"] for row in rows if row["attack"] == "mean_same_task"), [])
    return f"the {len(named)} thefts of the same task ({', '.join(named)})"


def _published(study_folder: str, honest: dict) -> list[str]:
    """What the paper reports for this data set beside what is measured here, in the same reading."""
    domain, dataset, _ = study_folder.split("/")
    rows = [row for row in PUBLISHED if (row.domain, row.dataset) == (domain, dataset)]
    groups = ("irrelevant", "all")
    if not rows:
        return []
    cells = {(*key, ""): row for key, row in honest.items()}
    for row in _rows(study_folder, "erasure"):
        key = (_reading(row), row["attack"], row["negatives"], row["attack_on_queries"])
        cells[key] = {**row, "auc": row["auc_after"]}
    lines = [
        [row.method, " and ".join(row.attacks), f"{row.auc:.2f}"]
        + [
            ", ".join(_auc(cells.get((row.reading, name, group, row.attack_on_queries))) for name in row.attacks)
            for group in groups
        ]
        for row in rows
    ]
    heads = ["fingerprint", "theft", "published AUC", *(f"here, against {group}" for group in groups)]
    return [f"Published beside measured ({rows[0].note}).", "", *markdown_table(heads, lines), ""]


def _model_table(models: dict[str, dict]) -> list[str]:
    return markdown_table(
        ["kind", "n", "test accuracy, mean (lowest)", "fidelity, mean (range)", "flagged", "seconds"],
        [
            [
                kind,
                str(row["n"]),
                f"{row['test_accuracy_mean']:.3f} ({row['test_accuracy_min']:.3f})",
                _range(row),
                str(row["flagged"] or ""),
                f"{row['seconds']:.0f}",
            ]
            for kind, row in models.items()
        ],
    )


def _flag_note(models: dict[str, dict]) -> str:
    if any(row["flagged"] for row in models.values()):
        return " † some of these stolen models lost more than 10 points of test accuracy (`flagged` below)."
    return " No stolen model lost more than 10 points of test accuracy."


def _reading(row: dict) -> tuple[str, str, str]:
    return row["method"], row["output"], row["representation"]


def _names(reading: tuple[str, str, str]) -> list[str]:
    method, output, representation = reading
    return [method, f"{representation.replace('_', ' ')}, {output}"]


def _counts(row: dict) -> str:
    return f"{row['n_pirated']} / {row['n_independent']}"


def _order() -> list[tuple[str, str, str]]:
    return [method.reading for method in METHODS]


def _ordered(rows: list[dict]) -> list[dict]:
    """Records are sorted by key; tables follow the order of the methods and of the attacks."""
    keys = _order()
    order = [*ATTACKS, *MEANS]
    return sorted(
        rows,
        key=lambda row: (
            keys.index(_reading(row)),
            order.index(row["attack"]),
        ),
    )


def _rows(study_folder: str, topic: str) -> list[dict]:
    return Records.at(study_folder, topic).rows()


def _present(rows: list[dict], name: str) -> list[float]:
    return [row[name] for row in rows if row.get(name) is not None]


def _auc(row: dict | None, digits: int = 2) -> str:
    return "{} [{}, {}]".format(*(f"{row[key]:.{digits}f}" for key in ("auc", "auc_low", "auc_high"))) if row else ""


def _range(row: dict) -> str:
    if row["fidelity_mean"] is None:
        return ""
    return f"{row['fidelity_mean']:.3f} ({row['fidelity_min']:.3f} to {row['fidelity_max']:.3f})"


def _cell(value) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
