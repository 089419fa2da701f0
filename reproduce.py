"""Run every step in order, from data to tables, skipping what is done.

    python reproduce.py                         # cpu tier, Fashion-MNIST
    python reproduce.py TIER=quick
    python reproduce.py DATASET=cifar10 WORKERS=2

Overrides are passed on to the steps that know them. A run that was stopped goes on where it was.
"""

import runpy
import sys
import time

from fingerprinting.domain import DOMAINS
from fingerprinting.runtime import REPOSITORY

ZOO = ("source", "irrelevant", "homologous", "fine_tune", "prune", "adversarial", "transfer", "extract")
ROOT = ("primary", "evolved", "model_finger_match")


def main(words: list[str]) -> None:
    if "--help" in words or "-h" in words:
        print(__doc__.strip())
        return
    chosen = [word.removeprefix("DOMAIN=") for word in words if word.startswith("DOMAIN=")]
    words = [word for word in words if not word.startswith("DOMAIN=")]
    steps = []
    for domain in chosen or DOMAINS:
        steps.append(("data/prepare.py", [f"DOMAIN={domain}"]))
        steps += [(f"{domain}/{name}.py", []) for name in ZOO]
        steps += [(f"{name}.py", [f"DOMAIN={domain}"]) for name in ROOT]
    started = time.perf_counter()
    for number, (script, own) in enumerate(steps, 1):
        print(f"[{number}/{len(steps)}] {script} {' '.join(own + words)}".rstrip(), flush=True)
        began = time.perf_counter()
        sys.argv = [script, *own, *words]
        runpy.run_path(str(REPOSITORY / script), run_name="__main__")
        print(f"      {time.perf_counter() - began:.0f} s", flush=True)
    print(f"all {len(steps)} steps: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
