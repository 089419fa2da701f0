"""Write all tables, pages and figures, and the blocks of README and docs, from results/records alone.

    python -m fingerprinting.reports                          # all studies
    python -m fingerprinting.reports STUDY=cv/fashion_mnist   # figures only of studies that begin so
    python -m fingerprinting.reports FIGURES=False            # tables, pages, README and docs

Needs no model. A step draws what it measured by itself; README and docs are written here and by reproduce.py alone.
"""

import sys
import time

from fingerprinting import cli
from fingerprinting.core import places
from fingerprinting.reports import everything

STUDY = ""  # the beginning of domain/dataset/tier: only these studies' figures are drawn; empty: all
FIGURES = True  # whether figures are drawn too
DOMAIN = ""  # path of a domain file of your own, whose inputs figures show

if __name__ == "__main__":
    with cli.endings():
        started, constants = time.perf_counter(), cli.of_no_study(globals(), sys.argv[1:])
        everything.write(**constants)
        print(f"written to {places.results_dir()}: {time.perf_counter() - started:.0f} s")
