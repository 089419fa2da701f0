"""Passports under flipped signs and pruning: the figure of each network."""

from fingerprinting.reports.figures.canvas import canvas
from fingerprinting.reports.sections.passport_tables import schemes_of
from fingerprinting.reports.sections.published_numbers import PASSPORTS
from fingerprinting.robustness.passport_attacks import SWEEPS


def figure(study_folder: str, attacks: list[dict]) -> None:
    """Accuracy and detection against the share of signs flipped and of weights pruned, a column per scheme."""
    rows = [row for row in attacks if row["attack"] in SWEEPS]
    for name in dict.fromkeys(row["architecture"] for row in rows):
        own = [row for row in rows if row["architecture"] == name]
        schemes = schemes_of(own)
        title = f"{name}: passports under flipped signs and pruning"
        sweeps = {attack: label for attack, label in SWEEPS.items() if any(row["attack"] == attack for row in own)}
        size = (3.2 * len(schemes), 2.7 * len(sweeps))
        with canvas(study_folder, f"passports-{name}", title, len(sweeps), len(schemes), size) as (drawn, axes):
            for line, (attack, label) in zip(axes, sweeps.items(), strict=True):
                for axis, scheme in zip(line, schemes, strict=True):
                    found = [row for row in own if (row["attack"], row["scheme"]) == (attack, scheme)]
                    shares = [row["strength"] for row in found]
                    axis.plot(shares, [row["accuracy"] for row in found], "o-", ms=3, label="accuracy, valid passports")
                    detected = [row["signature_detection"] for row in found]
                    axis.plot(shares, detected, "s--", ms=3, label="signature detection")
                    if attack != "flip":
                        released = [row["released_accuracy"] for row in found]
                        axis.plot(shares, released, "^:", ms=3, label="accuracy as released")
                    else:
                        said = [(row.strength, row.accuracy[0]) for row in PASSPORTS if row.attack == "flip"]
                        axis.plot(*zip(*said, strict=True), "x", ms=5, color="grey", label="published, CIFAR-100")
                    axis.set_ylim(0, 1.03)
                    axis.set_title(f"scheme {scheme}", fontsize=8)
                    axis.set_xlabel(label, fontsize=7)
                    axis.tick_params(labelsize=7)
                    axis.grid(alpha=0.3)
            handles = {
                label: handle
                for axis in axes[:, 0]
                for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
            }
            drawn.legend(handles.values(), handles, loc="outside lower center", fontsize=8, ncols=4)
