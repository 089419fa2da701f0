"""The targets of the calibrated fingerprint, and the shortfall of each."""

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
    """A value that should be at least (or at most) `bound` in these domains; None: not measured in a study."""

    words: str
    domains: tuple[str, ...]
    measured: Callable[[str], float | None]
    bound: float
    at_most: bool = False
    digits: int = 3

    def cell(self, study_folder: str) -> str:
        """The value, and in bold its shortfall; empty in domains that the target is not about."""
        if study_folder.split("/")[0] not in self.domains or (found := self.measured(study_folder)) is None:
            return ""
        missing = found - self.bound if self.at_most else self.bound - found
        miss = f", **{'excess' if self.at_most else 'shortfall'} {missing:.{self.digits}f}**" if missing > 0 else ""
        return f"{found:.{self.digits}f}{miss}"


CORES = 2
TRANSFERRED = ("transfer_evidence", "transfer")  # representation, attack


def _aucs(study_folder: str) -> dict[str, float]:
    """Attack -> AUC of the calibrated fingerprint against all independents; transfer by its own representation."""
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
    """Attack, and "mean" -> AUC by evidence against the audit set."""
    found = audit.aucs(study_folder, Records.at(study_folder, "verdicts").rows())
    return {attack: row["auc"] for attack, row in found.items()}


def mean_of_audit(study_folder: str) -> float | None:
    return _audit_aucs(study_folder).get("mean")


def least_of_audit(study_folder: str) -> float | None:
    return min((auc for attack, auc in _audit_aucs(study_folder).items() if attack != "mean"), default=None)


def flagged(study_folder: str) -> float | None:
    """The lower end of the binomial interval around the false positive rate on the audit set."""
    rows = verdicts.rows(Records.at(study_folder, "verdicts").rows())
    found = [row for row in rows if (row["use"], row["kind"]) == ("audit", "all independent")]
    return found[0].get("stolen_low") if found else None


def seconds_of_references(study_folder: str) -> float | None:
    """Of the step where it was timed from nothing, else half of the training time of its models: on two cores."""
    for step in Records.at(study_folder, "steps").rows():
        if step["key"].endswith("/references.py") and step["cores"] == CORES:
            return step["seconds"]
    found = [
        row["seconds"] for row in Records.at(study_folder, "models").rows() if row["kind"].startswith("reference_")
    ]
    return sum(found) / CORES or None


def seconds_of_queries(study_folder: str) -> float | None:
    """To make the fingerprint, once all models are available."""
    rows = Records.at(study_folder, "fingerprints").rows()
    return next((row["seconds"] for row in rows if row["method"] == METHOD), None)


TARGETS = (
    Aim("mean AUC at 200 queries, vision: at least 0.99", ("cv",), mean, 0.99),
    Aim("mean AUC against the audit set, vision: at least 0.99", ("cv",), mean_of_audit, 0.99),
    Aim("mean AUC at 50 queries, text: at least 0.999", ("nlp",), mean_at_50, 0.999),
    Aim("AUC of each attack that keeps the weights, EEG: at least 0.99", ("bci",), least_that_keeps_the_weights, 0.99),
    Aim("AUC of every attack: at least 0.95", DOMAINS, least, 0.95),
    Aim("AUC of every attack but transfer against the audit set: at least 0.95", DOMAINS, least_of_audit, 0.95),
    Aim(
        "false positive rate on the audit set at alpha = 0.01, lower bound: at most 0.01",
        DOMAINS,
        flagged,
        0.01,
        at_most=True,
    ),
    Aim("seconds of references.py on 2 cores: at most 360", DOMAINS, seconds_of_references, 360, True, digits=0),
    Aim("seconds of calibrated.py after it: at most 30", DOMAINS, seconds_of_queries, 30, True, digits=0),
)


def table(studies: list[str]) -> list[str]:
    """The targets in Markdown, a column per study."""
    heads = ["target, labels only", *map(heading, studies)]
    return markdown_table(heads, [[aim.words, *map(aim.cell, studies)] for aim in TARGETS])
