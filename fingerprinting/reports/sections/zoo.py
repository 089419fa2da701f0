"""The models of a study by kind: accuracy, fidelity to the source, training time."""

from collections import defaultdict

import numpy as np

from fingerprinting.core.markdown import markdown_table

COLUMNS = (
    "tier,domain,dataset,kind,n,test_accuracy_mean,test_accuracy_min,dev_accuracy_mean,fidelity_mean,fidelity_min,"
    "fidelity_max,degraded,seconds"
)


def rows(records: list[dict]) -> list[dict]:
    """One row per kind of model: accuracy, fidelity, how many lost over 10 points of accuracy, seconds of training."""
    kinds: dict[str, list[dict]] = defaultdict(list)
    for row in records:
        kinds[row["kind"]].append(row)
    found = []
    for kind, models in kinds.items():
        test, fidelity = (_present(models, name) for name in ("test_accuracy", "fidelity"))
        found.append(
            {
                "kind": kind,
                "n": len(models),
                "test_accuracy_mean": np.mean(test),
                "test_accuracy_min": np.min(test),
                "dev_accuracy_mean": np.mean(_present(models, "dev_accuracy")),
                "fidelity_mean": np.mean(fidelity) if fidelity else None,
                "fidelity_min": np.min(fidelity) if fidelity else None,
                "fidelity_max": np.max(fidelity) if fidelity else None,
                "degraded": sum(bool(model.get("degraded")) for model in models),
                "seconds": sum(model["seconds"] for model in models),
            }
        )
    return found


def section(models: dict[str, dict]) -> list[str]:
    """Kind -> its row, in Markdown."""
    return [
        "The models. Fidelity: agreement with the source on test data. Degraded: stolen models that lost more than 10 "
        "points of test accuracy. Seconds: training time on one core.",
        "",
        *markdown_table(
            ["kind", "n", "test accuracy, mean (lowest)", "fidelity, mean (range)", "degraded", "seconds"],
            [
                [
                    kind,
                    str(row["n"]),
                    f"{row['test_accuracy_mean']:.3f} ({row['test_accuracy_min']:.3f})",
                    _range(row),
                    str(row["degraded"] or ""),
                    f"{row['seconds']:.0f}",
                ]
                for kind, row in models.items()
            ],
        ),
    ]


def _range(row: dict) -> str:
    if row["fidelity_mean"] is None:
        return ""
    return f"{row['fidelity_mean']:.3f} ({row['fidelity_min']:.3f} to {row['fidelity_max']:.3f})"


def _present(rows: list[dict], name: str) -> list[float]:
    return [row[name] for row in rows if row.get(name) is not None]
