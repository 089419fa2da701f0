"""Speed against the floor: one table of all benchmarks that compare with what nobody can do without."""

from collections.abc import Iterable

from fingerprinting.core import places, timing
from fingerprinting.core.markdown import markdown_table
from fingerprinting.study.records import Records

# Ratio of a benchmark's record -> what is compared with what, and what it is to be.
RATIOS = {
    "primary_to_bare_inference": ("Primary / bare inference", "1.05 at most"),
    "primary_to_floor": ("Primary / bare inference", "1.05 at most"),
    "evolved_confident_to_floor": ("Evolved, confident / as many gradients", "1.10 at most"),
    "evolved_uncertain_to_floor": ("Evolved, uncertain / as many gradients", "1.10 at most"),
    "deepcore_to_floor": ("DeepCore / as many gradients", "1.10 at most"),
    "deepcore_to_ascent": ("DeepCore / gradients of its steps, without radii", ""),
    "evolved_one_at_a_time_to_one_batch": ("Evolved, one sample at a time / one batch", "10 or more"),
    "deepcore_papers_procedure_to_one_batch": ("DeepCore, the paper's procedure / one batch", "10 or more"),
    "pool_example_to_smallest": ("an example of this pool / of the smallest", "1"),
    "asked_to_bare_inference": ("matching: files read, asked, kept / bare inference", "1.20 at most"),
    "kept_to_bare_inference": ("matching: kept responses read / bare inference", ""),
    "scored_to_bare_inference": ("matching: all distances / bare inference", ""),
    "counted_to_bare_inference": ("matching: AUCs, intervals, error rates / bare inference", ""),
    "one_worker_to_bare_loop": ("a zoo in one process / a bare loop", "1.10 at most"),
    "one_worker_to_two": ("a zoo, one worker / two", "1.80 or more"),
    "dask_to_two_workers": ("a zoo, Dask's two workers / two processes", "1.10 at most"),
    "help_to_torch_import": ("`--help` / torch's import alone", ""),
    "mistake_to_torch_import": ("a mistake's sentence / torch's import alone", ""),
    "verdict_to_inference": ("a verdict / one inference of its queries", ""),
}
OF = ("architecture", "script", "pool", "suspects", "queries")  # what a record is of, in the order of the cell
COLUMNS = ["compared", "study", "of", "ratio", "aim"]


def table(studies: Iterable[str]) -> str:
    """A line for each ratio that was measured; nothing where none was."""
    cells = []
    rows = [(study, row) for study in studies for row in Records.at(study, "benchmarks").rows()]
    for name, (what, aim) in RATIOS.items():
        for study, row in rows:
            if name in row:
                cells.append([what, study, _of(row), timing.shown(row[name]), aim])
    return "\n".join(markdown_table(COLUMNS, cells)) if cells else "Nothing was measured yet."


def waterfall() -> str:
    """Where the seconds of a run from nothing go, longest first; of runs that say so."""
    lines = []
    for row in Records(places.results_dir() / "records" / "runs.jsonl").rows():
        if "steps" in row:
            taken = {"set-up": row.get("setup_seconds", 0.0), "data": row.get("data_seconds", 0.0), **row["steps"]}
            ordered = sorted(taken.items(), key=lambda pair: -pair[1])
            cells = [[name, f"{seconds:.0f} s"] for name, seconds in ordered if seconds >= 1]
            lines += [f"`{row['key']}`:", "", *markdown_table(["step", "seconds"], cells), ""]
    return "\n".join(lines) or "No run from nothing was recorded with its steps yet."


def _of(row: dict) -> str:
    threads = [part.replace("_", " ") for part in row["key"].split("/") if part.endswith("_threads")]
    return ", ".join(
        [
            *(f"{row[name]} {name}" if isinstance(row[name], int) else str(row[name]) for name in OF if name in row),
            *threads,
        ]
    )
