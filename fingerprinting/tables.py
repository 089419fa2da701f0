"""Tables from records: CSV for machines, Markdown for people, and the part of README.md between markers."""

import csv
import io
from collections import defaultdict
from pathlib import Path

import numpy as np

from fingerprinting import files
from fingerprinting.methods import METHODS
from fingerprinting.records import Records
from fingerprinting.suspects import ATTACKS, MEANS, NEGATIVES

AUC_COLUMNS = (
    "tier,domain,dataset,method,output,representation,attack,negatives,n_pirated,n_independent,auc,auc_low,auc_high,"
    "tpr_at_fpr0,tpr_at_fpr1"
)
MODEL_COLUMNS = (
    "tier,domain,dataset,kind,n,test_accuracy_mean,test_accuracy_min,dev_accuracy_mean,fidelity_mean,fidelity_min,"
    "fidelity_max,flagged,seconds"
)


def folder() -> Path:
    return files.results_dir() / "tables"


def write() -> None:
    """auc.csv and models.csv of every study that has records."""
    studies = study_folders()
    write_csv(folder() / "auc.csv", AUC_COLUMNS, [row for name in studies for row in _rows(name, "auc")])
    write_csv(folder() / "models.csv", MODEL_COLUMNS, [row for name in studies for row in model_rows(name)])


def study_folders() -> list[str]:
    """`domain/dataset/tier` of every study that has matching records."""
    records = files.results_dir() / "records"
    return sorted(path.parent.relative_to(records).as_posix() for path in records.glob("*/*/*/auc.jsonl"))


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


def markdown(study_folder: str) -> str:
    """The tables of one study, as README shows them and the matcher prints them."""
    domain, dataset, tier = study_folder.split("/")
    rows = _ordered(_rows(study_folder, "auc"))
    models = {row["kind"]: row for row in model_rows(study_folder)}
    lines = [f"### {domain}, {dataset}, {tier} tier", ""]
    for method in dict.fromkeys(row["method"] for row in rows):
        lines += _auc_tables(method, [row for row in rows if row["method"] == method], models)
    lines += ["The models. Fidelity is agreement with the source on test data; seconds are of one core.", ""]
    lines += markdown_table(
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
    return "\n".join([*lines, ""])


def _auc_tables(method: str, rows: list[dict], models: dict[str, dict]) -> list[str]:
    """One method: a row per theft against all independents, then its mean against each group of independents."""
    readings = list(dict.fromkeys((row["representation"], row["output"]) for row in rows))
    cells = {(row["attack"], row["negatives"], row["representation"], row["output"]): row for row in rows}
    heads = [f"{representation.replace('_', ' ')}, {output}" for representation, output in readings]

    def line(label: str, attack: str, negatives: str) -> list[str]:
        found = [cells.get((attack, negatives, *reading)) for reading in readings]
        counts = next((f"{row['n_pirated']} / {row['n_independent']}" for row in found if row), "")
        return [label, counts, *(_auc(row) for row in found)]

    thefts = list(dict.fromkeys(row["attack"] for row in rows))
    named = next((row["mean_over"] for row in rows if row["attack"] == "mean_same_task"), [])
    lines = [
        f"**{method}**: AUC against all independent models [95% bootstrap interval over models].{_flag_note(models)}"
    ]
    lines += ["", *markdown_table(
        ["theft", "pirated / independent", *heads],
        [line(theft + (" †" if models.get(theft, {}).get("flagged") else ""), theft, "all") for theft in thefts],
    ), ""]  # fmt: skip
    if named:
        groups = [group for group in NEGATIVES if ("mean_same_task", group, *readings[0]) in cells]
        lines += [
            f"The mean of the {len(named)} thefts of the same task ({', '.join(named)}), by independent models:",
            "",
        ]
        lines += [*markdown_table(
            ["independent models", "pirated / independent", *heads],
            [line(group, "mean_same_task", group) for group in groups],
        ), ""]  # fmt: skip
    return lines


def _flag_note(models: dict[str, dict]) -> str:
    if any(row["flagged"] for row in models.values()):
        return " † some of these stolen models lost more than 10 points of test accuracy (`flagged` below)."
    return " No stolen model lost more than 10 points of test accuracy."


def _ordered(rows: list[dict]) -> list[dict]:
    """Records are sorted by key; tables follow the order of the methods and of the attacks."""
    keys = [method.key for method in METHODS]
    order = [*ATTACKS, *MEANS]
    return sorted(
        rows,
        key=lambda row: (
            keys.index(f"{row['method']}/{row['output']}/{row['representation']}"),
            order.index(row["attack"]),
        ),
    )


def _rows(study_folder: str, topic: str) -> list[dict]:
    return Records(files.results_dir() / "records" / study_folder / f"{topic}.jsonl").rows()


def _present(rows: list[dict], name: str) -> list[float]:
    return [row[name] for row in rows if row.get(name) is not None]


def _auc(row: dict | None) -> str:
    return f"{row['auc']:.2f} [{row['auc_low']:.2f}, {row['auc_high']:.2f}]" if row else ""


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
