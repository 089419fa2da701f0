"""Matched pairs: a model of the true labels and one of the source's labels, the same in all else.

    python bci/pairs.py                       # cpu tier, SelfRegulationSCP1
    python bci/pairs.py TIER=smoke            # seconds

Needs bci/source.py. They show which queries tell extraction from independent training. Writes models to
data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from bci.domain import EPOCHS, LEARNING_RATE  # noqa: F401 (constants of this script)
from fingerprinting import cli

COPIES = 1  # of every architecture, part and share
STUDENTS = dict(smoke=1, quick=1, cpu=4, paper=4)  # how many of the students' architectures are used
PARTS = ("owner+reference",)  # of what the owner has: owner, reference, or both; pairs of each
SHARES = (1.0,)  # of that part

if __name__ == "__main__":
    cli.run("fingerprinting.models.twins:pairs", globals(), "bci")
