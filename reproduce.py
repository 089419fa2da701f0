"""Run every step in order, from data to tables, skipping what is done.

    python reproduce.py                         # cpu tier, all domains
    python reproduce.py TIER=quick DOMAIN=cv,bci
    python reproduce.py DATASET=thucnews WORKERS=2
    python reproduce.py TIER=paper PLAN=True RATE=1e13  # what each step would cost; nothing is run

Overrides are passed on to the steps that know them, which --help lists; DATASET leaves out the domains that do not
know it. A run that was stopped goes on where it was.
"""

import contextlib
import os
import runpy
import sys
import time

from fingerprinting import cli
from fingerprinting.core import places
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.pipeline import PASSPORT, ROOT, ZOO
from fingerprinting.study.domain import DOMAINS, load_domain

PLAN = False  # whether each step's models, operations, memory, disk and hours are shown, and nothing is run
RATE = 1e13  # operations a second, for the hours of a plan
# Left out at the quick tier, which is a first look.
LATER = (
    "overlap",
    "extract_sweep",
    "pairs",
    "references",
    "low_data_references",
    "audit",
    "unseen",
    "price",
    "ablation",
    "detect_erase_attack",
    "passport",
)
LEFT_OUT = """\
the quick tier leaves out some steps; each runs alone, as in python cv/pairs.py TIER=quick:
cv/references.py, for the owner's threshold and for baselines that learn from stolen models, then
baselines.py METHOD=all; cv/low_data_references.py after it, then calibrated.py SIZE=full, ablation.py;
cv/pairs.py, then calibrated.py SIZE=pairs; price.py; cv/overlap.py, cv/extract_sweep.py, cv/audit.py,
cv/unseen.py; detect_erase_attack.py; cv/passport/train.py, then attack.py and steal.py there.
Everything: python reproduce.py"""


def main(words: list[str]) -> None:
    domains = chosen([word for word in words if word not in cli.HELP])
    later = LATER if "TIER=quick" in words else ()
    steps = steps_of(domains, later)
    if cli.asks_for_help(words):
        show_help(words, domains, steps)
        return
    constants = {"PLAN": PLAN, "RATE": RATE}
    own = [word for word in words if word.split("=")[0] in constants]
    plan, rate = cli.of_no_study(constants, own).values()
    overrides = [word for word in words if not word.startswith("DOMAIN=") and word not in own]
    overrides = cli.renamed(overrides, set().union(*(known for *_, known in steps)))
    for word in overrides:
        if not any(word.split("=")[0] in known for *_, known in steps):
            raise UserError(
                f"no step knows {word!r}; give constants as NAME=value, each script lists its own by --help"
            )
    todo = [
        (script, first + [word for word in overrides if word.split("=")[0] in known]) for script, first, known in steps
    ]
    if plan:
        from fingerprinting import planning  # with torch, as below

        planning.show(todo, rate)
        return
    from fingerprinting.reports import documents, everything  # with torch, which --help and a mistake need not

    fresh = not places.artifacts_dir().exists()
    started, taken = time.perf_counter(), {}
    for number, (script, given) in enumerate(todo, 1):
        print(f"[{number}/{len(steps)}] {script} {' '.join(given)}".rstrip(), flush=True)
        began = time.perf_counter()
        sys.argv = [script, *given]
        runpy.run_path(str(REPOSITORY / script), run_name="__main__")
        taken[" ".join([script, *given])] = time.perf_counter() - began
        print(f"      {time.perf_counter() - began:.0f} s", flush=True)
    everything.write(figures=False)  # each step has drawn its own
    seconds = time.perf_counter() - started
    print(f"all {len(steps)} steps: {seconds:.0f} s")
    if later:
        print(LEFT_OUT)
    if fresh and "RECORD_RUN" in os.environ:
        documents.record_run(overrides, domains, seconds, taken)


def steps_of(domains: list[str], later: tuple[str, ...]) -> list[tuple[str, list[str], set[str]]]:
    """(script, its words, the constants that it knows) of every step, in order."""
    steps = []
    for domain in domains:
        known = set(cli.COMMON) | set(load_domain(domain).constants)
        steps.append(("data/prepare.py", [f"DOMAIN={domain}"], known))
        steps += [(f"{domain}/{name}.py", [], known) for name in ZOO if name not in later]
        steps += [(f"{name}.py", [f"DOMAIN={domain}"], known) for name in ROOT if name not in later]
        if (REPOSITORY / domain / "passport").is_dir() and "passport" not in later:
            steps += [(f"{domain}/passport/{name}.py", [], known) for name in PASSPORT]
    return [(script, own, known | cli.own_constants(REPOSITORY / script)) for script, own, known in steps]


def show_help(words: list[str], domains: list[str], steps: list[tuple[str, list[str], set[str]]]) -> None:
    """What all steps know, explained; then each step with the names of its own, which its --help explains."""
    tier = next((word for word in words if word.startswith("TIER=")), "")
    for domain in domains:
        about = __doc__ if domain == domains[0] else f"Domain {domain}:"
        shared = {"__doc__": about, "DOMAIN": domain}
        with contextlib.suppress(SystemExit):
            cli.resolve(shared, "", [word for word in (tier, "--help") if word])
        common = set(cli.COMMON) | set(load_domain(domain).constants) | {"DOMAIN"}
        print(f"\nSteps of {domain}, and the constants of their own, which each explains by --help:")
        for script, own, known in steps:
            if script.startswith(f"{domain}/") or f"DOMAIN={domain}" in own:
                print(f"  {script}: {', '.join(sorted(known - common)) or 'none'}", flush=True)


def chosen(words: list[str]) -> list[str]:
    """The domains that DOMAIN= names, or all that know the DATASET=."""
    given = dict(word.split("=", 1) for word in words if "=" in word)
    domains = given["DOMAIN"].split(",") if "DOMAIN" in given else DOMAINS
    if unknown := set(domains) - set(DOMAINS):
        raise UserError(
            f"reproduce.py runs {', '.join(DOMAINS)}, not {', '.join(sorted(unknown))}; "
            "run a domain of your own step by step, each with DOMAIN="
        )
    dataset = given.get("DATASET")
    knowing = [name for name in domains if dataset is None or dataset in load_domain(name).data.targets]
    if not knowing:
        raise UserError(f"no domain of {', '.join(domains)} knows the data set {dataset!r}; data/README.md lists them")
    return knowing


if __name__ == "__main__":
    with cli.endings():
        main(sys.argv[1:])
