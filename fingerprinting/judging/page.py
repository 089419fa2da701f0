"""A verdict as it is printed."""

import math

from fingerprinting.calibrated import verdicts
from fingerprinting.core.foreign_text import in_markdown
from fingerprinting.core.markdown import markdown_table


def page(found: dict) -> list[str]:
    """A verdict in Markdown; the control accuracy where its range over the calibration models is known."""
    rows = [
        ["verdict", f"**{found['outcome']}**"],
        *([[f"why {verdicts.INCONCLUSIVE}", in_markdown(found["why"])]] if found["why"] else []),
        *([["covers", in_markdown(found["scope"])]] if "scope" in found else []),
        *(["**warning**", warning] for warning in found["warnings"]),
        *(["**finding**", in_markdown(finding)] for finding in found.get("findings", ())),
        ["queries", str(found["queries"])],
        *([["unanswered", _unanswered(found)]] if "unanswered" in found else []),
        *([["asked", _asked(found["suspect"])]] if "suspect" in found else []),
        *([["asked one after another", _looks(found)]] if "looks" in found else []),
        ["compared with", f"{found['n_calibration']} calibration models, {found['n_stolen']} stolen reference models"],
        ["p-value under the independent hypothesis", f"{found['p_independent']:.3f}"],
        ["p-value under the stolen hypothesis", f"{found['p_stolen']:.3f}"],
        ["rule for stolen", f"the first up to ALPHA = {found['alpha']}, the second above BETA = {found['beta']}"],
        [
            "rule for independent",
            f"the first above {max(verdicts.USUAL, found['alpha'])}, the second up to BETA = {found['beta']}",
        ],
        *([name.replace("_", " "), f"{found[name]:+.2f}"] for name in verdicts.TRACES if name in found),
        *([["p-value", "extrapolated beyond the calibration models"]] if found.get("extrapolated") else []),
    ]
    if "control_accuracy_range" in found:
        least, most = found["control_accuracy_range"]
        said = f"{found['control_accuracy']:.2f}; calibration models {least:.2f} to {most:.2f}"
        rows.append(["control accuracy", said])
    if "own_responses" in found:
        said = f"{found['own_responses']:.2f} of all; verdicts are passed up to {found['most_own_responses']:.2f}"
        rows.append(["responses of its own", said])
    if not found["n_stolen"]:
        rows.append(["why never independent", "it is compared with no stolen models, which SIZE=full trains"])
    elif (least := 1 / (1 + found["n_stolen"])) > found["beta"]:
        few = f"{found['n_stolen']} stolen models clear no model below BETA={rounded_up(least)}"
        rows.append(["why never independent", f"{few}; give a higher one, or references.py more copies"])
    return markdown_table(["", ""], rows)


def rounded_up(share: float) -> str:
    return f"{math.ceil(share * 1000) / 1000:.3f}"


def _unanswered(found: dict) -> str:
    return f"{found['unanswered']} of all, control queries included: they count neither for nor against"


def _asked(suspect: dict) -> str:
    said = f"{in_markdown(suspect['name'])}, ENCODING={suspect['encoding']}"
    if "source_labels_changed" in suspect:
        said += f", which changes {suspect['source_labels_changed']} of the source's labels"
    return (
        f"{said}; {suspect['sent']} queries, {suspect['repeated']} of them repeated, in {suspect['requests']} attempts"
    )


def _looks(found: dict) -> str:
    """When a verdict is passed, and how many queries to ask until the next one where this one decides nothing."""
    counts = found["looks"]
    said = f"looks after {', '.join(map(str, counts))}; the p-value is of all looks so far"
    further = [count for count in counts if count > found["queries"]]
    return said + (f"; go on to {further[0]}" if further and found["outcome"] != verdicts.STOLEN else "")
