"""DeepCore's tables beside ours: error rates and clusters by hand, and pages written from records made by hand."""

import numpy as np
import pytest

from fingerprinting.reports import pages
from fingerprinting.reports.papers import deepcore_comparison, deepcore_tables, overview
from fingerprinting.reports.papers.deepcore_comparison import by_group, clustered, distances, in_sample, owners
from fingerprinting.reports.papers.published_deepcore import LABELS, TABLE_1, TABLE_2, TABLE_3, TABLE_5
from fingerprinting.study.records import Records

STUDY = "cv/cifar10/cpu-deepcore_paper"
L1, COSINES = "deepcore/logits/own_class", "deepcore/logits/cosines"


def put(topic: str, rows: list[dict]) -> None:
    Records.at(STUDY, topic).put([{"key": f"{number}", **row} for number, row in enumerate(rows)])


def typed(counts: dict[tuple[str, int], int]) -> list[dict]:
    """(type, cluster) -> how many models: rows of records."""
    return [
        {"type": name, "clusters": dict.fromkeys(("k-means", "spectral", "agglomerative"), cluster)}
        for (name, cluster), count in counts.items()
        for _ in range(count)
    ]


def test_published_numbers_are_whole_tables():
    assert sum(TABLE_1.values()) == 101
    assert all(len(row) == len(LABELS) for row in (*TABLE_2.values(), *TABLE_3.values()))
    below = zip(TABLE_2[1], TABLE_2[2], strict=True)  # as the order of Core_1 was found
    assert all(first < then for one, other in below for first, then in zip(one, other, strict=True))


def test_rates_of_groups_follow_from_the_counts_that_the_published_ones_fit():
    """k-means: 8 of 40 modified models among the extracted ones give the .20 and .17 of Table V."""
    put("deepcore_types", typed({("HM_SA", 0): 21, ("PM_P", 1): 32, ("PM_P", 2): 8, ("EM_SA_L", 2): 40}))
    found = by_group(STUDY, "k-means")
    assert {group: tuple(np.round(rates, 2)) for group, rates in found.items()} == {
        group: algorithms["k-means"] for group, algorithms in TABLE_5.items()
    }
    assert clustered(STUDY) == (0.0, 0.0)


def test_stolen_models_with_most_homologous_ones_are_missed():
    put("deepcore_types", typed({("HM_SA", 0): 3, ("HM_DA", 1): 1, ("PM_P", 0): 1, ("EM_SA_L", 2): 3}))
    assert clustered(STUDY) == (0.25, 0.25)


def scored(kind: str, copy: int, distance: float, architecture: str = "conv3") -> dict:
    return {"key": f"{STUDY}/{kind}/{architecture}-{copy}", "kind": kind, L1: distance, COSINES: distance}


@pytest.fixture
def records() -> None:
    """Stolen models at 1, 2 and 5, homologous ones at 4 and 6; reference models say that the threshold is 3."""
    found = [scored("prune", 0, 1.0), scored("extract_labels_same", 0, 2.0), scored("extract_labels", 0, 5.0, "mlp")]
    found += [scored("overlap", 0, 4.0), scored("overlap", 1, 6.0, "mlp"), scored("irrelevant", 0, 0.0)]
    found += [scored("reference_prune", 0, 2.0), scored("reference_homologous", 0, 4.0)]
    Records.at(STUDY, "distances").put(found)
    Records.at(STUDY, "models").put([{"key": "source", "kind": "source", "architecture": "conv3"}])


def test_error_rates_at_both_thresholds_by_hand(records):
    groups = distances(STUDY, L1)
    assert {group: sorted(values) for group, values in groups.items()} == {"PM": [1], "EM": [2, 5], "HM": [4, 6]}
    # Up to 3: one of three is missed, none flagged; up to 5.5: none is missed, one of two flagged.
    assert in_sample(groups) == pytest.approx((1 / 3, 0))
    assert owners(STUDY, L1, groups) == pytest.approx((1 / 3, 0))
    assert in_sample(distances(STUDY, "akh/labels/responses")) is None


def test_all_five_tables_are_written_from_records_and_say_what_holds(records):
    """Radius and score grow, and homologous models fall behind ever more, but for extracted ones."""
    put("deepcore_types", typed({("source", 1): 1, ("HM_SA", 0): 2, ("PM_P", 1): 1, ("EM_SA_L", 2): 2}))
    Records.at(STUDY, "deepcore_models").put([{"key": "model"}])
    put(
        "deepcore_labels",
        [
            {
                "steps": steps,
                "label": label,
                "radius": steps + 1.0,
                "score": steps + 2.0,
                "homologous": steps / 10,
                "homologous_std": 1.0,
                "stolen": steps / 20,
                "stolen_std": 2.0,
                "modified": 0.0,
                "extracted": steps / 5,
            }
            for steps in (0, 100, 200, 300)
            for label in LABELS
        ],
    )
    deepcore_tables.write()
    texts = {number: deepcore_tables.path_of(number).read_text() for number in deepcore_tables.TABLES}
    assert sorted(texts) == [1, 2, 3, 4, 5]
    assert "| published | 10 | 11 |" in texts[1]
    assert "| Core_3, published | 15.41, 32.29 |" in texts[2]
    assert "| Core_3, cv cifar10, VARIANT=deepcore_paper | 301.00, 302.00 |" in texts[2]
    assert "both grow for 10 of 10 labels: insight 1 holds" in texts[2]
    assert "stolen models: nearer for 10 of 10 labels at CP_3 (insight 2 holds)" in texts[3]
    assert "0.00, 5.00, 10.00, 15.00 (insight 3 holds)" in texts[3]
    assert "extracted models: nearer for 0 of 10 labels at CP_3 (insight 2 does not hold" in texts[3]
    assert "| DeepCore (L1_dist) | 0.03, 0.00 | 0.09, 0.05 | 0.33, 0.00 | 0.33, 0.00 |" in texts[4]
    assert "| MIR (PMs) | 0.20 | 0.00 | 0.48 |" in texts[5]
    block = overview.block()
    assert "cv cifar10, VARIANT=deepcore_paper 0.00, 5.00, 10.00, 15.00" in block
    assert f"]({pages.folder().name}" not in block and "](results/tables/deepcore-table-4.md)" in block


def test_without_records_nothing_is_written_and_the_overview_has_the_published_numbers_alone():
    deepcore_tables.write()
    assert not any(deepcore_tables.path_of(number).exists() for number in deepcore_tables.TABLES)
    assert "-0.26, 5.99, 9.14, 11.27" in overview.block()
    assert set(deepcore_comparison.METHODS) >= {"SAC-w", "SAC-m", "FUAP", "MetaFinger"}
