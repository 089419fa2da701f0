"""The blocks of README and docs: what stands between markers is written from records, here and nowhere else."""

import os
import re
from collections.abc import Callable

import joblib

from fingerprinting.core import places, runtime, storage, timing
from fingerprinting.core.errors import UserError
from fingerprinting.core.markdown import markdown_table
from fingerprinting.core.places import REPOSITORY
from fingerprinting.pipeline import ROOT, ZOO
from fingerprinting.reports import baseline_variants, performance
from fingerprinting.reports.html import index
from fingerprinting.reports.pages import heading, study_folders
from fingerprinting.reports.papers import overview
from fingerprinting.reports.sections import (
    aucs,
    calibrated,
    passport_pages,
    price,
    replication,
    score_combinations,
    targets,
    verdicts,
)
from fingerprinting.reports.words import said
from fingerprinting.study.domain import COMMITTED
from fingerprinting.study.records import Records
from fingerprinting.training.trainer import PREDICTION_BATCH, SIGNALS_BATCH

# Document -> the blocks between its markers.
DOCUMENTS = {
    "README.md": ("runs", "verdict", "results"),
    "docs/results.md": ("methods", "deepcore"),
    "docs/baselines.md": ("variants",),
    "docs/papers.md": ("papers",),
    "docs/costs.md": ("steps", "benchmarks"),
    "docs/performance.md": ("performance", "waterfall"),
    "docs/price.md": ("price", "stopping"),
    "docs/calibrated.md": ("calibrated", "rules", "aims", "replication"),
    "docs/passports.md": ("passports",),
}
BEFORE = ("SETUP_SECONDS", "DATA_SECONDS")  # what run.sh took before the steps
MARKERS = "<!-- {}: written by code from results/records, do not edit -->", "<!-- end of {} -->"
LINK = re.compile(r"\]\((?=results/)")  # blocks' links begin at the repository's root


@storage.alone_in_results()
def write() -> None:
    """Replace what stands between each pair of markers; only when these are the repository's own results."""
    if places.results_dir() != REPOSITORY / "results":
        return
    for document in DOCUMENTS:
        path = REPOSITORY / document
        if path.is_file() and (written := rewritten(document)) != path.read_text(encoding="utf-8"):
            storage.write_text(path, written)


def rewritten(document: str) -> str:
    """The document with its blocks as today's records have them."""
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    for name in DOCUMENTS[document]:
        text = replaced(text, name, LINK.sub("](" + "../" * document.count("/"), BLOCKS[name]()))
    return text


def replaced(text: str, name: str, block: str) -> str:
    begin, end = (marker.format(name) for marker in MARKERS)
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise UserError(f"a document has lost its markers {begin!r} and {end!r}; restore it from git")
    return f"{before}{begin}\n\n{block.strip()}\n\n{end}{after}"


def record_run(
    overrides: list[str], domains: tuple[str, ...] | list[str], seconds: float, steps: dict[str, float]
) -> None:
    """One row per way of running everything from nothing; run.sh passes the seconds of the set-up and of the data.

    steps: script, with the domain that it was told -> its seconds.
    """
    command = " ".join(["reproduce.py", *overrides, f"({', '.join(domains)})"])
    row = {
        "key": command,
        "seconds": seconds,
        "steps": steps,
        **{name.lower(): float(os.environ[name]) for name in BEFORE if name in os.environ},
        "cores": joblib.cpu_count(),
        "provenance": runtime.provenance(runtime.device()),
    }
    Records(places.results_dir() / "records" / "runs.jsonl").put([row])
    write()
    index.write()


def _runs() -> str:
    rows = Records(places.results_dir() / "records" / "runs.jsonl").rows()
    cells = []
    for row in rows:
        before = [f"{row[name.lower()]:.0f} s" if row.get(name.lower()) else "" for name in BEFORE]
        machine = f"{row['cores']} cores, {row['provenance']['device']}, torch {row['provenance']['versions']['torch']}"
        cells.append([f"`{row['key']}`", *before, f"{row['seconds']:.0f} s", machine])
    heads = ["run from nothing", "set-up", "data", "all steps", "machine"]
    return "\n".join(markdown_table(heads, cells))


def _calibrated() -> str:
    """The calibrated fingerprint in every study: AUCs, verdicts on stolen and independent models, the ablation."""
    studies = _judged()
    heads = map(heading, studies)
    found = [calibrated.cells(study) for study in studies]
    names = dict.fromkeys(name for cells in sorted(found, key=len, reverse=True) for name in cells)
    rows = [[name, *(cells.get(name, "") for cells in found)] for name in names]
    return "\n".join(markdown_table(["", *heads], rows))


def _deepcore() -> str:
    """The paper's three observations and their measures; the study's own page has more measures."""
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    studies = [study for study in _committed() if Records.at(study, "deepcore_claims").rows()]
    for study in studies:
        for row in Records.at(study, "deepcore_claims").rows():
            if row["measure"] == "share of models that answer as the source":
                continue
            for group in ("source", "modified", "extracted", "homologous", "irrelevant"):
                if row.get(group) is not None:
                    what = row["claim"], row["measure"], row["inputs"], group
                    cells.setdefault(tuple(map(said, what)), {})[study] = f"{row[group]:.2f}, n = {row['n']}"
    heads = ["observation", "measure", "inputs", "models", *map(heading, studies)]
    rows, above = [], ""
    for (claim, *rest), found in cells.items():
        rows.append(["" if claim == above else claim, *rest, *(found.get(study, "") for study in studies)])
        above = claim
    return "\n".join(markdown_table(heads, rows))


def _steps() -> str:
    studies = _committed()
    seconds = {
        study: {row["key"].rsplit("/")[-1]: row["seconds"] for row in Records.at(study, "steps").rows()}
        for study in studies
    }
    cells = []
    for name in (f"{name}.py" for name in (*ZOO, *ROOT)):
        taken = [f"{seconds[study][name]:.0f} s" if name in seconds[study] else "" for study in studies]
        if any(taken):
            cells.append([name, *taken])
    return "\n".join(markdown_table(["step", *map(heading, studies)], cells))


def _benchmarks() -> str:
    ratios = {
        "evolved_one_at_a_time_to_one_batch": "Evolved, one sample at a time / one batch",
        "primary_to_bare_inference": "Primary / bare inference",
        "primary_one_at_a_time_to_primary": "Primary, one sample at a time / Primary",
        "deepcore_class_after_class_to_one_batch": "DeepCore, one class at a time / one batch",
        "bare_gradients_one_by_one_to_one_batch": "gradients alone, one class at a time / one batch",
        "deepcore_papers_procedure_to_one_batch": "DeepCore, the paper's procedure / one batch",
    }
    found: dict[tuple[str, str], dict] = {}
    for study, row in _benchmarked(*ratios):
        found.setdefault((study, row["key"].rsplit("/", 1)[1].split("_")[0]), {}).update(row)
    cells = [
        [*where, *(timing.shown(row[name]) if name in row else "" for name in ratios)] for where, row in found.items()
    ]
    return "\n".join([*markdown_table(["study", "threads", *ratios.values()], cells), *_precision(), *_layouts()])


def _precision() -> list[str]:
    """Speed of training in bfloat16 and, where that was measured, compiled, by network."""
    measured, compiled = "training_float32_to_bfloat16", "training_eager_to_compiled"
    cells = [
        [study, row["architecture"], row["key"].rsplit("/", 1)[1].split("_")[0], timing.shown(row[measured])]
        + ([timing.shown(row[compiled]), f"{row['compiling_to_update']:.0f}"] if compiled in row else ["", ""])
        for study, row in _benchmarked(measured)
    ]
    note = (
        "Speed of training in bfloat16 (`PRECISION=bfloat16`) and with torch.compile, which the package does not use: "
        "compiling takes as long as so many updates (`python benchmarks/precision.py COMPILED=True`)."
    )
    heads = ["study", "network", "threads", "one update, float32 / bfloat16", "float32 / compiled", "compiling"]
    return ["", note, "", *markdown_table(heads, cells)] if cells else []


def _layouts() -> list[str]:
    """Which layout and size of a batch is faster, by network."""
    ratios = {
        "asking_prediction_batch_to_signals_batch": f"inference, batch of {PREDICTION_BATCH} / {SIGNALS_BATCH}",
        "asking_first_to_last": "inference, channels first / last",
        "training_first_to_last": "one update, channels first / last",
    }
    cells = [
        [study, row["architecture"], row["layout"], *(timing.shown(row[name]) for name in ratios)]
        for study, row in _benchmarked(*ratios)
    ]
    note = (
        "Memory layout and batch size of small networks on one thread (`python benchmarks/layouts.py`). The package "
        f"uses batches of {SIGNALS_BATCH} for recordings and {PREDICTION_BATCH} for other inputs, and the layout of "
        "the third column."
    )
    return (
        ["", note, "", *markdown_table(["study", "network", "channels in use", *ratios.values()], cells)]
        if cells
        else []
    )


def _benchmarked(*measured: str) -> list[tuple[str, dict]]:
    """(study, row) of each benchmark that measured one of these."""
    rows = ((study, row) for study in _committed() for row in Records.at(study, "benchmarks").rows())
    return [(study, row) for study, row in rows if set(measured) & set(row)]


def _judged() -> list[str]:
    return [study for study in _committed() if Records.at(study, "verdicts").rows()]


def _committed() -> list[str]:
    return [study for study in study_folders() if study.rsplit("/", 1)[1] in COMMITTED]


BLOCKS: dict[str, Callable[[], str]] = {
    "runs": _runs,
    "verdict": verdicts.example,
    "results": lambda: aucs.best(_committed()),
    "methods": lambda: aucs.summary(_committed()),
    "variants": lambda: baseline_variants.table(replication.beside(_committed())),
    "papers": overview.block,
    "price": price.block,
    "stopping": price.stopping,
    "calibrated": _calibrated,
    "rules": lambda: "\n".join(score_combinations.table(replication.beside(_judged()))),
    "aims": lambda: "\n".join(targets.table(replication.beside(_judged()))),
    "replication": lambda: "\n".join(replication.table(_committed())),
    "deepcore": _deepcore,
    "passports": passport_pages.block,
    "steps": _steps,
    "benchmarks": _benchmarks,
    "performance": lambda: performance.table(_committed()),
    "waterfall": performance.waterfall,
}
