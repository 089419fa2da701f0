"""What was measured of passports: tables, a page of Markdown, figures and README's block, all from records."""

from collections import defaultdict
from pathlib import Path

from fingerprinting import figures, files, tables, turns
from fingerprinting.domain import COMMITTED, DOMAINS, load_domain
from fingerprinting.published import PASSPORTS
from fingerprinting.records import Records
from fingerprinting.study import Study
from fingerprinting.tables import markdown_table

COLUMNS = "tier,dataset,architecture,scheme,attack,strength,accuracy,signature_detection,n"
THEFT_COLUMNS = (
    "tier,dataset,architecture,scheme,kind,n,test_accuracy,n_passports,signature_detection,lowest_detection,"
    "highest_detection,highest_p_value,passport_accuracy,triggers_agreed,n_independent,auc_primary,auc_akh,auc_sac_m"
)
STEPS = ("train", "attack", "steal")  # in <domain>/passport/, where a domain has that
SCHEMES = ("plain", "1", "2", "3")
ATTACKS = ("none", "fake1", "fake2", "fake3", "residual_block", "solve", "fine_tune", "flip", "prune")
SWEEPS = {"flip": "share of signs flipped", "prune": "share of weights pruned"}
FINGERPRINTS = ("primary", "akh", "sac_m")
RATIOS = {
    "passport_inference_v1_to_plain": "inference, scheme 1 / plain",
    "passport_inference_public_to_plain": "inference, public branch of schemes 2, 3 / plain",
    "passport_training_v1_to_plain": "training, scheme 1 / plain",
    "passport_training_v2_to_plain": "training, scheme 2 / plain",
    "passport_training_v3_to_plain": "training, scheme 3 / plain",
}
VALID = (
    "",
    "accuracy as released",
    "under the passports",
    "points to without",
    "to trained on",
    "detection",
    "bits",
    "p",
    "triggers",
)
LEGEND = (
    "Accuracy is under the passports that are claimed (the owner's, unless the attack forges some), on {n} test "
    "images; detection is the share of the claimed signature's bits that the signs of γ show."
)


@files.alone_in_results()
def write(study: Study) -> None:
    """The tables over all studies, and the pages and figures of this one."""
    studies = study_folders()
    rows = [row for name in studies for row in attack_rows(name)]
    tables.write_csv(tables.folder() / "passports.csv", COLUMNS, rows)
    thefts = [_flat(row) for name in studies for row in theft_rows(name)]
    tables.write_csv(tables.folder() / "passport_thefts.csv", THEFT_COLUMNS, thefts)
    files.write_text(page_path(study.folder), page(study.folder))
    figure(study)


def study_folders() -> list[str]:
    """`domain/dataset/tier` of every study in which networks with passports were attacked or stolen."""
    records = files.results_dir() / "records"
    found = [path for topic in ("passports", "passport_thefts") for path in records.glob(f"*/*/*/{topic}.jsonl")]
    return sorted({path.parent.relative_to(records).as_posix() for path in found})


def attack_rows(study_folder: str) -> list[dict]:
    """Every measurement, in the order of networks, schemes, attacks and strengths."""

    def place(row: dict) -> tuple:
        strength = row["strength"]
        return (
            row["architecture"],
            SCHEMES.index(row["scheme"]),
            ATTACKS.index(row["attack"]),
            (isinstance(strength, str), strength) if strength is not None else (False, 0),
        )

    return sorted(Records.at(study_folder, "passports").rows(), key=place)


def theft_rows(study_folder: str) -> list[dict]:
    rows = Records.at(study_folder, "passport_thefts").rows()
    roles = ("source", "pirated", "independent")
    return sorted(rows, key=lambda row: (row["architecture"], row["scheme"], roles.index(row["role"]), row["kind"]))


def _flat(row: dict) -> dict:
    return {**row, **{f"auc_{name}": row["auc"].get(name) for name in FINGERPRINTS}}


def page_path(study_folder: str) -> Path:
    return tables.folder() / f"{study_folder.replace('/', '-')}-passports.md"


def page(study_folder: str) -> str:
    """Everything about the passports of one study, in Markdown."""
    domain, dataset, tier = study_folder.split("/")
    lines = [f"# Passports: {domain}, {dataset}, {tier} tier", ""]
    for name, rows, thefts in _networks(study_folder):
        lines += [f"## {name}", ""]
        if rows:
            lines += [LEGEND.format(n=rows[0]["n"]), "", *markdown_table(VALID, _valid(rows)), "", *_forgeries(rows)]
        for attack in SWEEPS:
            lines += _sweep(rows, attack)
        lines += _thefts(thefts)
    lines += ["## Published beside measured", "", *_published(attack_rows(study_folder)), ""]
    return "\n".join(lines)


def _networks(study_folder: str) -> list[tuple[str, list[dict], list[dict]]]:
    """Architecture, its attacks and its thefts."""
    rows, thefts = attack_rows(study_folder), theft_rows(study_folder)
    names = dict.fromkeys(row["architecture"] for row in [*rows, *thefts])
    return [
        (name, *([row for row in part if row["architecture"] == name] for part in (rows, thefts))) for name in names
    ]


def _valid(rows: list[dict]) -> list[list[str]]:
    """Cells below VALID: the network without passports, and every scheme before any attack."""
    plain, longer = (row for row in rows if row["scheme"] == "plain")  # None sorts before "longer"
    cells = [
        ["without passports", f"{plain['accuracy']:.4f}", *[""] * 7],
        ["… trained on", f"{longer['accuracy']:.4f}", "", _points(longer, plain), *[""] * 5],
    ]
    for row in rows:
        if row["attack"] == "none" and row["scheme"] != "plain":
            cells.append(
                [f"scheme {row['scheme']}", f"{row['released_accuracy']:.4f}", f"{row['accuracy']:.4f}"]
                + [_points(row, plain), _points(row, longer)]
                + [f"{row['signature_detection']:.1%}", str(row["bits"]), _p(row["p_value"]), _triggers(row)]
            )
    return cells


def _forgeries(rows: list[dict]) -> list[str]:
    """Attacks that are not swept: accuracy, detection of what is claimed, and of the owner's signature."""
    cells = _grid([row for row in rows if row["attack"] not in ("none", *SWEEPS)])
    if not cells:
        return []
    schemes = _schemes(rows)
    table = markdown_table(
        ["attack", "strength", *(f"scheme {scheme}" for scheme in schemes)],
        [
            [attack, _strength(strength), *(_outcome(found.get(scheme)) for scheme in schemes)]
            for (attack, strength), found in cells.items()
        ],
    )
    note = (
        "Accuracy; detection of the claimed signature; in brackets of the owner's. Strength: share of the owner's "
        "signs that the forger's signature turns round (fake2, fake3), share of its own signature that was fixed "
        "beforehand (residual_block; what comes out by itself is no evidence and not counted), all layers with the "
        "old (FTAL) or a new head (RTAL) "
        "(fine_tune: the owner's passports in what came out)."
    )
    return [note, "", *table, ""]


def _sweep(rows: list[dict], attack: str) -> list[str]:
    cells = _grid([row for row in rows if row["attack"] == attack])
    if not cells:
        return []
    schemes = _schemes(rows)
    names = ["accuracy", "detection"] + ["accuracy as released"] * (attack == "prune")
    keys = ["accuracy", "signature_detection", "released_accuracy"]
    lines = []
    for scheme in schemes:
        for name, key in zip(names, keys, strict=False):
            values = [found.get(scheme, {}).get(key) for found in cells.values()]
            lines.append([f"scheme {scheme}", name, *("" if value is None else f"{value:.3f}" for value in values)])
    head = ["", SWEEPS[attack], *(f"{strength:.0%}" for _, strength in cells)]
    return [*markdown_table(head, lines), ""]


def _thefts(rows: list[dict]) -> list[str]:
    if not rows:
        return []
    interval = " [95% bootstrap interval]" if any("auc_interval" in row for row in rows) else ""
    note = (
        "The zoo's thefts of these networks. White box: detection of the owner's signature over all models that have "
        "the layers (lowest to highest; p: of stolen models the highest, of honest ones the lowest), accuracy under "
        "the owner's passports, scheme 3's trigger images. Black box: AUC of the theft against the independent models "
        f"of the same task, by labels alone{interval}."
    )
    heads = ["scheme", "model", "n", "test accuracy", "with the layers", "detection", "p", "under the passports"]
    heads += ["triggers", "independents", *(f"AUC, {name}" for name in FINGERPRINTS)]
    return [note, "", *markdown_table(heads, [_theft(row) for row in rows]), ""]


def _theft(row: dict) -> list[str]:
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
    """Of stolen models the highest p, of honest ones the lowest: what speaks most against the test."""
    found = [model["p_value"] for model in row["models"].values() if "p_value" in model]
    return (max if row["role"] == "pirated" or row["kind"] == "source" else min)(found, default=None)


def _auc(row: dict, name: str) -> str:
    if name not in row["auc"]:
        return ""
    interval = row.get("auc_interval", {}).get(name)
    return f"{row['auc'][name]:.2f}" + (" [{:.2f}, {:.2f}]".format(*interval) if interval else "")


def _published(rows: list[dict]) -> list[str]:
    """What others published, and the same of ours, on the same data where that was measured."""
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
    return markdown_table(["attack", "published on", "published", "here, by scheme", "source"], lines)


def block() -> str:
    """README's numbers: every network before any attack; attacks, thefts and costs on the tiers' own data sets."""
    studies = [name for name in study_folders() if name.rsplit("/", 1)[1] in COMMITTED]
    cells = [
        [f"{architecture}, {name.split('/')[1]}", *line]
        for name in studies
        for architecture, rows, _ in _networks(name)
        if rows
        for line in _valid(rows)
    ]
    lines = [*markdown_table(("network, data", *VALID), cells), ""] if cells else []
    rows = [row for name in studies for row in attack_rows(name)]
    lines += ["Published beside measured.", "", *_published(rows), ""]
    for name in studies:
        address, dataset, tier = name.split("/")
        if address in DOMAINS and dataset == load_domain(address).datasets[tier]:
            lines += _attacked(name)
    pages = ", ".join(f"[{page_path(name).stem}](results/tables/{page_path(name).name})" for name in studies)
    return "\n".join([*lines, f"Flips, pruning, scheme 1's thefts and the other data sets: {pages}.", ""])


def _attacked(study_folder: str) -> list[str]:
    """What was measured on one data set in README: forgeries, thefts, costs."""
    _, dataset, tier = study_folder.split("/")
    lines = []
    for architecture, rows, thefts in _networks(study_folder):
        if rows:
            lines += [f"{architecture} on {dataset}, {tier} tier. {LEGEND.format(n=rows[0]['n'])}", ""]
            lines += _forgeries(rows)
        lines += _thefts([row for row in thefts if row["scheme"] in ("2", "3")])
    return [*lines, *_costs(study_folder), *_seconds(study_folder)]


def _costs(study_folder: str) -> list[str]:
    rows = [row for row in Records.at(study_folder, "benchmarks").rows() if set(RATIOS) & set(row)]
    if not rows:
        return []
    cells = [
        [row["architecture"], row["key"].rsplit("/", 1)[1].replace("_", " ")]
        + [turns.shown(row[name]) for name in RATIOS]
        for row in rows
    ]
    note = (
        "What passports cost (`python benchmarks/passports.py`): ratios of seconds, median of turns [lowest, highest]."
    )
    return [note, "", *markdown_table(["network", "threads", *RATIOS.values()], cells), ""]


def _seconds(study_folder: str) -> list[str]:
    """What the steps took, in the order in which they run."""
    taken = {row["key"]: row for row in Records.at(study_folder, "steps").rows()}
    keys = [f"{study_folder.split('/')[0]}/passport/{name}.py" for name in STEPS]
    found = [f"`{key}` {taken[key]['seconds']:.0f} s" for key in keys if key in taken]
    return [f"The steps took: {', '.join(found)}.", ""] if found else []


def figure(study: Study) -> None:
    """Accuracy and detection against the share of signs flipped and of weights pruned, a column per scheme."""
    rows = [row for row in attack_rows(study.folder) if row["attack"] in SWEEPS]
    for name in dict.fromkeys(row["architecture"] for row in rows):
        own = [row for row in rows if row["architecture"] == name]
        schemes = _schemes(own)
        with figures.canvas(study, f"passports-{name}", 2, len(schemes), (3.2 * len(schemes), 5.4)) as (drawn, axes):
            for line, (attack, label) in zip(axes, SWEEPS.items(), strict=True):
                for axis, scheme in zip(line, schemes, strict=True):
                    found = [row for row in own if (row["attack"], row["scheme"]) == (attack, scheme)]
                    shares = [row["strength"] for row in found]
                    axis.plot(shares, [row["accuracy"] for row in found], "o-", ms=3, label="accuracy, valid passports")
                    detected = [row["signature_detection"] for row in found]
                    axis.plot(shares, detected, "s--", ms=3, label="signature detection")
                    if attack == "prune":
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
            drawn.suptitle(f"{study.dataset}, {name}: passports under flipped signs and pruning", fontsize=10)
            handles = {
                label: handle
                for axis in axes[:, 0]
                for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
            }
            drawn.legend(handles.values(), handles, loc="outside lower center", fontsize=8, ncols=4)


def _grid(rows: list[dict]) -> dict[tuple, dict[str, dict]]:
    """(attack, strength) -> scheme -> row."""
    cells: dict[tuple, dict[str, dict]] = defaultdict(dict)
    for row in rows:
        cells[row["attack"], row["strength"]][row["scheme"]] = row
    return dict(sorted(cells.items(), key=lambda cell: (ATTACKS.index(cell[0][0]), str(cell[0][1]))))


def _schemes(rows: list[dict]) -> list[str]:
    return [scheme for scheme in SCHEMES[1:] if any(row["scheme"] == scheme for row in rows)]


def _outcome(row: dict | None) -> str:
    if row is None:
        return ""
    claimed = row["signature_detection"]
    detection = "nothing claimed" if claimed is None else f"{claimed:.1%}"
    return f"{row['accuracy']:.3f}; {detection} ({row['owner_detection']:.1%})"


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
