"""Independent models that saw a rising share of the owner's data (DeepCore's overlap sweep), scored apart.

    python cv/overlap.py                        # cpu tier, Fashion-MNIST
    python cv/overlap.py TIER=smoke             # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from cv.domain import EPOCHS, LEARNING_RATE  # noqa: F401 (constants of this script)
from fingerprinting import cli

OVERLAPS = dict(
    smoke=(0.0, 0.5, 1.0),
    quick=(0.0, 0.5, 1.0),
    cpu=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    paper=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
)  # shares of the owner's data they saw
SAME_COPIES = dict(smoke=1, quick=1, cpu=1, paper=1)  # of the source's architecture, per overlap
OTHER_COPIES = dict(smoke=0, quick=1, cpu=1, paper=1)  # of the first student's architecture, per overlap

if __name__ == "__main__":
    cli.run("fingerprinting.models.independent:overlap", globals(), "cv")
