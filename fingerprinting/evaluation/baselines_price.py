"""What other fingerprints reach on the same models, and the models that they were given: beside the price of twins."""

from fingerprinting.core import runtime
from fingerprinting.models.suspects import SAME_TASK
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study

WHOLE = "mean_same_task"
FINGERPRINT = ("method", "output", "representation")


def rows(study: Study) -> list[dict]:
    """A row for each fingerprint and representation that the matcher has recorded, against all independent models."""
    spent = {row["method"]: row for row in Records.of(study, "timing").rows()}
    aucs: dict[tuple[str, ...], dict[str, dict]] = {}
    for row in Records.of(study, "auc").rows():
        if row["negatives"] == "all" and row["attack"] in (WHOLE, *SAME_TASK):
            aucs.setdefault(tuple(row[name] for name in FINGERPRINT), {})[row["attack"]] = row
    return [
        {
            "key": f"{study.folder}/{'/'.join(place)}",
            **study.columns,
            **dict(zip(FINGERPRINT, place, strict=True)),
            "queries": spent[place[0]]["queries"],
            "extra_models": spent[place[0]]["extra_models"],
            "extra_models_s": spent[place[0]]["extra_models_s"],
            "auc": found[WHOLE]["auc"],
            "auc_least": min(row["auc"] for attack, row in found.items() if attack != WHOLE),
            "n_pirated": found[WHOLE]["n_pirated"],
            "n_independent": found[WHOLE]["n_independent"],
            "provenance": runtime.provenance(study.device),
        }
        for place, found in aucs.items()
        if WHOLE in found and place[0] in spent
    ]
