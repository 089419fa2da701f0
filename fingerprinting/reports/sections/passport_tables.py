"""Passports in Markdown: networks as released, forgeries, sweeps, stealing attacks, published values."""

from collections import defaultdict

from fingerprinting.core.markdown import markdown_table
from fingerprinting.reports.sections.published_numbers import PASSPORTS
from fingerprinting.robustness.passport_attacks import ATTACKS, SWEEPS

SCHEMES = ("plain", "1", "2", "3")
FINGERPRINTS = ("primary", "akh", "sac_m")
WAYS = {  # what the owner did, in benchmarks/image_passports.py
    "aligned": "default",
    "fresh": "trained from scratch",
    "released": "trained from scratch by SGD",
    "centred": "zero-mean passports",
    "noise": "noise passports",
}
FORGERIES = {  # the attacker's passports
    "owner": "owner's",
    "images": "other images (fake1)",
    "gamma": "other images for γ, owner's for β",
    "beta": "other images for β, owner's for γ",
    "image": "one other image per passport",
    "in_place": "other images, not shuffled",
    "shared": "other images, one passport for γ and β",
    "fresh_net": "other images, through an untrained network",
    "own_net": "other images, through the attacked network",
    "centred": "other images, zero-mean",
    "ones": "1 everywhere",
    "positive": "noise in [0, 1]",
    "noise": "noise in [-1, 1] (fake1_noise)",
}
VALID = (
    "",
    "accuracy as released",
    "accuracy under the passports",
    "points against no passports",
    "points against trained further",
    "signature detection",
    "bits",
    "p",
    "triggers",
)
LEGEND = (
    "Accuracy: under the claimed passports (the owner's, unless the attack forges some), on {n} test images. Signature "
    "detection: the share of the claimed signature's bits that equal the signs of γ."
)


def valid_cells(rows: list[dict]) -> list[list[str]]:
    """Cells below VALID: the network without passports, and every scheme before any attack."""
    plain, longer = (row for row in rows if row["scheme"] == "plain")  # None sorts before "longer"
    cells = [
        ["without passports", f"{plain['accuracy']:.4f}", *[""] * 7],
        ["… trained further", f"{longer['accuracy']:.4f}", "", _points(longer, plain), *[""] * 5],
    ]
    for row in rows:
        if row["attack"] == "none" and row["scheme"] != "plain":
            cells.append(
                [f"scheme {row['scheme']}", f"{row['released_accuracy']:.4f}", f"{row['accuracy']:.4f}"]
                + [_points(row, plain), _points(row, longer)]
                + [f"{row['signature_detection']:.1%}", str(row["bits"]), _p(row["p_value"]), _triggers(row)]
            )
    return cells


def forgeries(rows: list[dict]) -> list[str]:
    """Attacks without a sweep: accuracy, detection of the claimed signature, and of the owner's."""
    cells = _grid([row for row in rows if row["attack"] not in ("none", *SWEEPS)])
    if not cells:
        return []
    schemes = schemes_of(rows)
    table = markdown_table(
        ["attack", "strength", *(f"scheme {scheme}" for scheme in schemes)],
        [
            [attack, _strength(strength), *(_outcome(found.get(scheme)) for scheme in schemes)]
            for (attack, strength), found in cells.items()
        ],
    )
    note = (
        "Cells: accuracy; detection of the claimed signature (of the owner's). Strength: for fake2 and fake3 the share "
        "of the owner's signs that the attacker's signature flips; for residual_block the share of the attacker's "
        "signature that is fixed beforehand (other bits are no evidence and are not counted); for fine_tune all layers "
        "with the old (FTAL) or a new head (RTAL), and the owner's passports. fake1 and fake1_noise: mean over draws "
        "(best draw); fake1 also gives the accuracy under the owner's passports on the same network (of ...)."
    )
    return [note, "", *table, ""]


def sweep(rows: list[dict], attack: str) -> list[str]:
    """One attack of SWEEPS at every share that was tried; nothing where it was not run."""
    cells = _grid([row for row in rows if row["attack"] == attack])
    if not cells:
        return []
    schemes = schemes_of(rows)
    names = ["accuracy", "detection"] + ["accuracy as released"] * (attack != "flip")
    keys = ["accuracy", "signature_detection", "released_accuracy"]
    lines = []
    for scheme in schemes:
        for name, key in zip(names, keys, strict=False):
            values = [found.get(scheme, {}).get(key) for found in cells.values()]
            lines.append([f"scheme {scheme}", name, *("" if value is None else f"{value:.3f}" for value in values)])
    head = ["", SWEEPS[attack], *(f"{strength:.0%}" for _, strength in cells)]
    return [*markdown_table(head, lines), ""]


def stealing_attacks(rows: list[dict]) -> list[str]:
    """What passports and fingerprints detect of every stealing attack; nothing where none was run."""
    if not rows:
        return []
    interval = " [95% bootstrap interval]" if any("auc_interval" in row for row in rows) else ""
    note = (
        "Stealing attacks on these networks. White box: detection of the owner's signature over all models that have "
        "the signed layers (lowest to highest); p-value (highest of stolen, lowest of independent models); accuracy "
        "under the owner's passports; agreement on scheme 3's trigger images. Black box: AUC of the attack against the "
        f"independent models of the same task, from labels{interval}."
    )
    heads = [
        "scheme",
        "model",
        "n",
        "test accuracy",
        "n with the layers",
        "signature detection",
        "p",
        "under the passports",
    ]
    heads += ["triggers", "independent models", *(f"AUC, {name}" for name in FINGERPRINTS)]
    return [note, "", *markdown_table(heads, [_attack_line(row) for row in rows]), ""]


def _attack_line(row: dict) -> list[str]:
    detection = ""
    if row["n_passports"]:
        detection = f"{row['signature_detection']:.1%}"
        if row["lowest_detection"] != row["highest_detection"]:
            detection += f" ({row['lowest_detection']:.1%} to {row['highest_detection']:.1%})"
    accuracy, triggers = row["passport_accuracy"], row["triggers_agreed"]
    return [
        row["scheme"],
        row["kind"],
        str(row["n"]),
        f"{row['test_accuracy']:.3f}",
        str(row["n_passports"]),
        detection,
        _p(_least_convincing(row)),
        "" if accuracy is None else f"{accuracy:.3f}",
        "" if triggers is None else f"{triggers:.0%}",
        str(row["n_independent"]) if row["auc"] else "",
        *(_auc(row, name) for name in FINGERPRINTS),
    ]


def _least_convincing(row: dict) -> float | None:
    """The highest p of stolen models, the lowest of independent ones: the least favourable to the test."""
    found = [model["p_value"] for model in row["models"].values() if "p_value" in model]
    return (max if row["role"] == "pirated" or row["kind"] == "source" else min)(found, default=None)


def _auc(row: dict, name: str) -> str:
    if name not in row["auc"]:
        return ""
    interval = row.get("auc_interval", {}).get(name)
    return f"{row['auc'][name]:.2f}" + (" [{:.2f}, {:.2f}]".format(*interval) if interval else "")


def strangers(rows: list[dict]) -> list[str]:
    """How many bits the owners' passports show in independent models; nothing where none was read."""
    read = [
        model for row in rows if row["role"] == "independent" for model in row["models"].values() if "bits" in model
    ]
    if not read:
        return []
    agreed, lowest = [model["agreed"] for model in read], min(model["p_value"] for model in read)
    return [
        f"In independent models the owners' passports show {min(agreed)} to {max(agreed)} of {read[0]['bits']} bits (n "
        f"= {len(read)} pairs of passports and a model with the signed layers; lowest p {_p(lowest)}).",
        "",
    ]


def image_passports(rows: list[dict]) -> list[str]:
    """Forged passports of many kinds on one network whose owner made its passports in several ways."""
    if not rows:
        return []
    ways = [way for way in WAYS if any(row["way"] == way for row in rows)]
    found = {(row["forgery"], row["way"]): row for row in rows}
    kinds = [kind for kind in FORGERIES if any(row["forgery"] == kind for row in rows)]
    first = rows[0]
    note = (
        f"{first['architecture']}, {first['side']} × {first['side']} pixels, {first['examples']} examples, "
        f"{first['epochs']} epochs without and {first['epochs']} with passports; {first['bits']} bits, {first['n']} "
        f"test images, {first['draws']} draws of each (`python benchmarks/image_passports.py`). Columns: the owner's "
        "passports and training; rows: the passports that are presented. Cells: mean accuracy (highest); bits of the "
        "owner's signature; cosine of the mean patches of P_γ with the owner's."
    )
    lines = [[FORGERIES[kind], *(_shown(found.get((kind, way))) for way in ways)] for kind in kinds]
    return [note, "", *markdown_table(["passports", *(WAYS[way] for way in ways)], lines), ""]


def _shown(row: dict | None) -> str:
    if row is None:
        return ""
    best = f" ({row['highest_accuracy']:.3f})" if row["forgery"] != "owner" else ""
    return f"{row['accuracy']:.3f}{best}; {row['owner_detection']:.1%}; {row['cosine']:.2f}"


def published(rows: list[dict]) -> list[str]:
    """Published accuracy and ours, on the same data where that was measured."""
    lines = []
    for said in PASSPORTS:
        low, high = said.accuracy
        alike = [
            row
            for row in rows
            if row["attack"] == said.attack
            and row["scheme"] != "plain"
            and (said.strength is None or row["strength"] == said.strength)
        ]
        same = [row for row in alike if row["dataset"] == said.dataset] or alike
        here: dict[str, list[str]] = defaultdict(list)
        for row in same:
            here[f"{row['architecture']}, {row['dataset']}"].append(f"{row['accuracy']:.3f}")
        value = f"{low:.0%}" if low == high else f"{low:.0%} to {high:.0%}"
        where = " ".join(filter(None, (said.network, said.dataset)))
        name = said.attack if said.strength is None else f"{said.attack}, {said.strength:.0%}"
        measured = "; ".join(f"{' '.join(values)} ({network})" for network, values in here.items())
        lines.append([name, where, value, measured, said.note])
    return markdown_table(["attack", "published for", "published", "measured, by scheme", "source"], lines)


def schemes_of(rows: list[dict]) -> list[str]:
    """Those with passports that stand in these rows."""
    return [scheme for scheme in SCHEMES[1:] if any(row["scheme"] == scheme for row in rows)]


def _grid(rows: list[dict]) -> dict[tuple, dict[str, dict]]:
    """(attack, strength) -> scheme -> row."""
    cells: dict[tuple, dict[str, dict]] = defaultdict(dict)
    for row in rows:
        cells[row["attack"], row["strength"]][row["scheme"]] = row
    return dict(sorted(cells.items(), key=lambda cell: (list(ATTACKS).index(cell[0][0]), str(cell[0][1]))))


def _outcome(row: dict | None) -> str:
    if row is None:
        return ""
    claimed = row["signature_detection"]
    detection = "nothing claimed" if claimed is None else f"{claimed:.1%}"
    best = f" (best {row['highest_accuracy']:.3f})" if row.get("draws", 1) > 1 else ""
    best += f" of {row['owner_accuracy']:.3f}" if "owner_accuracy" in row else ""
    return f"{row['accuracy']:.3f}{best}; {detection} ({row['owner_detection']:.1%})"


def _strength(strength: float | str | None) -> str:
    return strength.upper() if isinstance(strength, str) else "" if strength is None else f"{strength:.0%}"


def _points(row: dict, plain: dict) -> str:
    return f"{100 * (row['accuracy'] - plain['accuracy']):+.2f}"


def _triggers(row: dict) -> str:
    return f"{row['triggers_agreed']} of {row['triggers']}" if "triggers" in row else ""


def _p(value: float | None) -> str:
    if value == 0:
        return "< 1e-300"  # of more bits than a float can tell
    return "" if value is None else f"{value:.1e}"
