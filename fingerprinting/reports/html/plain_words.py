"""A verdict in sentences that need no statistics: what it says, by what it was passed, and what it does not say."""

from fingerprinting.asking.respondent import UNANSWERED
from fingerprinting.calibrated.contents import CalibratedFingerprint
from fingerprinting.calibrated.verdicts import INCONCLUSIVE, INDEPENDENT, STOLEN
from fingerprinting.judging import verification
from fingerprinting.judging.verdict import Passed

LEAST = 0.001  # p-values below it are not told apart


def sentence(found: dict) -> str:
    """The verdict, as the first thing that is read."""
    if found["outcome"] == STOLEN:
        return (
            "The suspect responds to the queries as models taken from the source do; of independent models, this rule "
            f"flags {share(found['alpha'])} by mistake."
        )
    if found["outcome"] == INDEPENDENT:
        return (
            "The suspect responds to the queries as independent models do; of stolen models such as the owner made, "
            f"this rule clears {share(found['beta'])} by mistake."
        )
    return f"The responses do not decide where the suspect comes from: {found['why']}."


def share(value: float) -> str:
    return f"{100 * value:.3g}%"


def p_value(value: float) -> str:
    return f"{value:.3f}" if value >= LEAST else f"below {LEAST}"


def limits(passed: Passed, *, kept: bool, committed: bool) -> list[str]:
    """What a reader must not take the verdict for. kept: whether there is a journal."""
    found, twins = passed.found, CalibratedFingerprint.of(passed.fingerprint).of_twins
    return [
        "It compares responses. It does not show who copied a model, how or when, and whether that was allowed.",
        *_of_models(found),
        *(_of_twins() if twins else _of_attacks(found)),
        *([_of_tail(found)] if found["extrapolated"] else []),
        *_of_asking(passed, kept),
        *_of_evidence(committed),
    ]


def _of_models(found: dict) -> list[str]:
    return [
        f"“Independent” means: like the {found['n_calibration']} calibration models, which the owner trained for this "
        "comparison. An independent model unlike all of them, such as one fine-tuned from the same pretrained "
        "weights as the source, can look more like the source than they do.",
        f"One model is judged. Of many independent models judged so, {share(found['alpha'])} would be flagged: who "
        "tries many suspects finds some.",
    ]


def _of_twins() -> list[str]:
    return [
        "It was compared with twins, repetitions of the source's training, and not with stolen models: what is not "
        f"flagged stays {INCONCLUSIVE}, and no model is ever called {INDEPENDENT}.",
        "Twins show what comes of the source's data and recipe alone. Where the suspect's maker had another recipe and "
        "other data, nothing is subtracted for these but what all independent models share.",
        "A student trained on few of the source's responses, or an attack that replaces most of what a model learned, "
        "may leave too little to be seen.",
    ]


def _of_attacks(found: dict) -> list[str]:
    return [
        f"“Stolen” means: like the {found['n_stolen']} stolen reference models. An attack unlike all that the owner "
        "tried may leave fewer traces, or others."
    ]


def _of_tail(found: dict) -> str:
    n = found["n_calibration"]
    return (
        f"{n} calibration models alone support no p-value below {1 / (1 + n):.3f}. A smaller one goes on beyond them "
        "as if further models were normally distributed, which nobody has seen."
    )


def _of_asking(passed: Passed, kept: bool) -> list[str]:
    said, found = [], passed.found
    if "suspect" not in found:
        read = ", and the journal has when it was read" if kept else ""
        said.append(f"How and when the suspect gave its responses is not known here: they came in a file{read}.")
    if changed := found.get("suspect", {}).get("source_labels_changed"):
        said.append(
            f"The encoding changes the queries: the source itself would give another class to {changed} of them."
        )
    if missing := found.get("unanswered"):
        said.append(
            f"Unanswered queries ({missing}) count neither for nor against, though a suspect may have chosen which to "
            "refuse."
        )
    if passed.levels.other_task:
        said.append(
            "The suspect's classes are others than the source's: only which queries get equal responses is compared, "
            "and no control query measures how accurate the suspect is."
        )
    elif (passed.labels != UNANSWERED).any() and found["in_range"]:
        said.append("A suspect as accurate as the calibration models can still differ from them in other ways.")
    return said


def _of_evidence(committed: bool) -> list[str]:
    if not committed:
        return [
            "Nothing was committed to before the suspect was asked: this page alone does not show that queries, rule "
            "and rates were not chosen afterwards."
        ]
    return [
        "This page is the owner's own statement. Verify the case with verify_case.py, which recomputes the verdict.",
        *(f"The commitment does not exclude {one}." for one in verification.NOT_EXCLUDED),
    ]
