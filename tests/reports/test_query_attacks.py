"""Attacks on queries: the table and the section of a page, from records made by hand."""

import json

from fingerprinting.reports.formats import write_csv
from fingerprinting.reports.sections import query_attacks as report
from fingerprinting.study.records import Records


def row(attack: str, stealing_attack: str, auc: float, negatives: str = "all") -> dict:
    return {
        "key": f"{attack}/{stealing_attack}/{negatives}",
        "tier": "smoke",
        "domain": "cv",
        "dataset": "digits",
        "method": "primary",
        "output": "labels",
        "representation": "match_rate",
        "attack_on_queries": attack,
        "attack": stealing_attack,
        "negatives": negatives,
        "auc_before": 0.8,
        "auc_after": auc,
        "auc_low": auc - 0.1,
        "auc_high": auc + 0.1,
        "accuracy_cost": 0.015,
        **(
            {"detection_rate_fpr1": 0.01, "detection_rate_fpr5": 0.06, "detection_auc": 0.55}
            if stealing_attack != "removal"
            else {}
        ),
        "n_queries": 9,
        "n_held_out": 99,
        "n_benign": 50,
        "false_alarms_fpr1": 0.02,
        "false_alarms_fpr5": 0.04,
    }


def test_the_table_has_the_agreed_columns_and_one_row_per_representation_and_attack(tmp_path):
    rows = [row("rounded", "mean_same_task", 0.7), row("rounded", "prune", 0.6), row("removal", "removal", 0.3)]
    rows.append(row("rounded", "mean_same_task", 0.9, "irrelevant"))
    records = tmp_path / "results" / "records" / "cv" / "digits" / "smoke"
    records.mkdir(parents=True)
    (records / "erasure.jsonl").write_text("".join(json.dumps(found) + "\n" for found in rows))
    assert report.COLUMNS == (
        "tier,domain,dataset,method,output,representation,attack_on_queries,detection_rate_fpr1,detection_rate_fpr5,"
        "detection_auc,auc_before,auc_after,accuracy_cost"
    )
    write_csv(tmp_path / "erasure.csv", report.COLUMNS, report.rows(Records.at("cv/digits/smoke", "erasure").rows()))
    assert sorted((tmp_path / "erasure.csv").read_text().splitlines()[1:]) == [
        "smoke,cv,digits,primary,labels,match_rate,removal,,,,0.8000,0.3000,0.0150",
        "smoke,cv,digits,primary,labels,match_rate,rounded,0.0100,0.0600,0.5500,0.8000,0.7000,0.0150",
    ]
    page = "\n".join(report.section(Records.at("cv/digits/smoke", "erasure").rows()))
    assert "| primary | match rate, labels | 0.80 | 0.70 [0.60, 0.80] | 0.30 [0.20, 0.40] (0.80) |" in page
    assert "| primary | 9 | 1.0% | 6.0% | 0.55 |" in page


def test_without_removal_the_section_lacks_only_that():
    rows = [row("rounded", "mean_same_task", 0.7), row("rounded", "prune", 0.6)]
    Records.at("cv/digits/smoke", "erasure").put({"key": str(number), **found} for number, found in enumerate(rows))
    page = "\n".join(report.section(Records.at("cv/digits/smoke", "erasure").rows()))
    assert "| primary | match rate, labels | 0.80 | 0.70 [0.60, 0.80] |  |" in page


def test_a_study_without_an_adaptive_adversary_has_no_section():
    assert report.section([]) == []


def test_fingerprints_from_twins_have_a_line_for_each_size_and_others_one():
    seen = dict(detection_auc=0.5, detection_rate_fpr5=0.06, auc_before=0.9)

    def put(method: str, twins: int, queries: int) -> None:
        about = dict(method=method, n_twins=twins, n_pairs=0, queries=queries)
        Records.at("cv/digits/cpu", "price_erasure").put(
            [
                {"key": f"{method}/{twins}/refused", "attack_on_queries": "refused", "auc_after": 0.8} | about | seen,
                {"key": f"{method}/{twins}/removal", "attack_on_queries": "removal", "auc_after": 0.7}
                | about
                | dict(auc_before=0.6),
            ]
        )

    assert report.by_size(["cv/digits/cpu"]) == []
    for place in (("calibrated", 6, 800), ("calibrated", 3, 200), ("primary", 6, 320), ("primary", 3, 320)):
        put(*place)
    found = sorted(line for line in report.by_size(["cv/digits/cpu"]) if "digits" in line)
    assert found == [
        f"| cv digits | {who} | {n} | 0.50 | 6.0% | 0.90 |  |  | 0.80 |  | 0.70 (0.60) |"
        for who, n in (("3 twins", 200), ("6 twins", 800), ("primary", 320))
    ]
