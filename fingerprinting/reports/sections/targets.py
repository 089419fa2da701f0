"""What the calibrated fingerprint was asked to reach, and by how much it misses that."""

from collections.abc import Callable
from dataclasses import dataclass

from fingerprinting.calibrated.verdicts import METHOD
from fingerprinting.core.markdown import markdown_table
from fingerprinting.deepcore.core_responses import GROUPS
from fingerprinting.reports.pages import heading
from fingerprinting.reports.sections import audit, verdicts
from fingerprinting.study.domain import DOMAINS
from fingerprinting.study.records import Records


@dataclass(frozen=True)
class Aim:
    """A figure that should be at least (or at most) `bound` in these domains; None: not measured in a study."""

    words: str
    domains: tuple[str, ...]
    measured: Callable[[str], float | None]
    bound: float
    at_most: bool = False
    digits: int = 3

    def cell(self, study_folder: str) -> str:
        """The figure, and in bold by how much it misses; empty in domains that the aim is not about."""
        if study_folder.split("/")[0] not in self.domains or (found := self.measured(study_folder)) is None:
            return ""
        missing = found - self.bound if self.at_most else self.bound - found
        miss = f", **{missing:.{self.digits}f} {'too much' if self.at_most else 'short'}**" if missing > 0 else ""
        return f"{found:.{self.digits}f}{miss}"


CORES = 2
TRANSFERRED = ("transfer_evidence", "transfer")  # reading, theft


def _aucs(study_folder: str) -> dict[str, float]:
    """Theft -> AUC of the calibrated fingerprint against all independents, labels only; transfer by its own reading."""
    return {
        row["attack"]: row["auc"]
        for row in Records.at(study_folder, "auc").rows()
        if row["negatives"] == "all"
        and (row["representation"] == "stealing_evidence" or (row["representation"], row["attack"]) == TRANSFERRED)
    }


def mean(study_folder: str) -> float | None:
    return _aucs(study_folder).get("mean_same_task")


def mean_at_50(study_folder: str) -> float | None:
    rows = Records.at(study_folder, "ablation").rows()
    found = [row["auc"] for row in rows if (row["study"], row["value"], row["attack"]) == ("queries", "50", "mean")]
    return found[0] if found else None


def least(study_folder: str) -> float | None:
    return min((auc for attack, auc in _aucs(study_folder).items() if attack != "mean_same_task"), default=None)


def least_that_keeps_the_weights(study_folder: str) -> float | None:
    kept = (*GROUPS["modified"], "transfer")
    return min((auc for attack, auc in _aucs(study_folder).items() if attack in kept), default=None)


def _audit_aucs(study_folder: str) -> dict[str, float]:
    """Theft, and "mean" -> AUC by evidence against the audit's independents."""
    found = audit.aucs(study_folder, Records.at(study_folder, "verdicts").rows())
    return {attack: row["auc"] for attack, row in found.items()}


def mean_of_audit(study_folder: str) -> float | None:
    return _audit_aucs(study_folder).get("mean")


def least_of_audit(study_folder: str) -> float | None:
    return min((auc for attack, auc in _audit_aucs(study_folder).items() if attack != "mean"), default=None)


def flagged(study_folder: str) -> float | None:
    """The lower end of the binomial interval around the share of fresh independents that were called stolen."""
    rows = verdicts.rows(Records.at(study_folder, "verdicts").rows())
    found = [row for row in rows if (row["use"], row["kind"]) == ("audit", "all independent")]
    return found[0].get("stolen_low") if found else None


def seconds_of_references(study_folder: str) -> float | None:
    """Of the step where it was timed from nothing, else half of what its models took one by one: on two cores."""
    for step in Records.at(study_folder, "steps").rows():
        if step["key"].endswith("/references.py") and step["cores"] == CORES:
            return step["seconds"]
    found = [
        row["seconds"] for row in Records.at(study_folder, "models").rows() if row["kind"].startswith("reference_")
    ]
    return sum(found) / CORES or None


def seconds_of_queries(study_folder: str) -> float | None:
    """To make the fingerprint, once all models are there."""
    rows = Records.at(study_folder, "fingerprints").rows()
    return next((row["seconds"] for row in rows if row["method"] == METHOD), None)


TARGETS = (
    Aim("mean AUC at 200 queries: 0.99 in vision", ("cv",), mean, 0.99),
    Aim("the same against the audit's independents", ("cv",), mean_of_audit, 0.99),
    Aim("mean AUC at 50 queries: 0.999 in text", ("nlp",), mean_at_50, 0.999),
    Aim("AUC of each theft that keeps the weights: 0.99 in EEG", ("bci",), least_that_keeps_the_weights, 0.99),
    Aim("AUC of every theft: 0.95", DOMAINS, least, 0.95),
    Aim("the same against the audit's independents, without transfer", DOMAINS, least_of_audit, 0.95),
    Aim("fresh independents accused at the 1% level: interval down to 0.01", DOMAINS, flagged, 0.01, at_most=True),
    Aim("seconds of references.py on 2 cores: 360 at most", DOMAINS, seconds_of_references, 360, True, digits=0),
    Aim("seconds of calibrated.py after it: 30 at most", DOMAINS, seconds_of_queries, 30, True, digits=0),
)


def table(studies: list[str]) -> list[str]:
    """The aims in Markdown, a column per study."""
    heads = ["aim, labels only", *map(heading, studies)]
    return markdown_table(heads, [[aim.words, *map(aim.cell, studies)] for aim in TARGETS])
