"""Run every step in order, from data to tables, skipping what is done.

    python reproduce.py                         # cpu tier, Fashion-MNIST
    python reproduce.py TIER=quick
    python reproduce.py DATASET=cifar10 WORKERS=2

Overrides are passed on to the steps that know them. A run that was stopped goes on where it was.
"""

import runpy
import sys
import time

from fingerprinting import files, readme, settings
from fingerprinting.domain import load_domain
from fingerprinting.runtime import REPOSITORY, UserError
from fingerprinting.steps import ROOT, ZOO

FINISHED = ("cv",)  # domains whose tables are committed; DOMAIN=nlp and DOMAIN=bci run the others


def main(words: list[str]) -> None:
    if "--help" in words or "-h" in words:
        print(__doc__.strip())
        return
    overrides = [word for word in words if not word.startswith("DOMAIN=")]
    domains = [word.removeprefix("DOMAIN=") for word in words if word.startswith("DOMAIN=")] or FINISHED
    steps = []
    for domain in domains:
        known = set(settings.COMMON) | set(load_domain(domain).constants)
        steps.append(("data/prepare.py", [f"DOMAIN={domain}"], known))
        steps += [(f"{domain}/{name}.py", [], known) for name in ZOO]
        steps += [(f"{name}.py", [f"DOMAIN={domain}"], known) for name in ROOT]
    steps = [(script, own, known | settings.own_constants(REPOSITORY / script)) for script, own, known in steps]
    for word in overrides:
        if not any(word.split("=")[0] in known for *_, known in steps):
            raise UserError(
                f"no step knows {word!r}; give constants as NAME=value, each script lists its own by --help"
            )
    fresh = not files.artifacts_dir().exists()
    started = time.perf_counter()
    for number, (script, own, known) in enumerate(steps, 1):
        given = own + [word for word in overrides if word.split("=")[0] in known]
        print(f"[{number}/{len(steps)}] {script} {' '.join(given)}".rstrip(), flush=True)
        began = time.perf_counter()
        sys.argv = [script, *given]
        runpy.run_path(str(REPOSITORY / script), run_name="__main__")
        print(f"      {time.perf_counter() - began:.0f} s", flush=True)
    seconds = time.perf_counter() - started
    print(f"all {len(steps)} steps: {seconds:.0f} s")
    if fresh:
        readme.record_run(overrides, domains, seconds)


if __name__ == "__main__":
    with settings.endings():
        main(sys.argv[1:])
