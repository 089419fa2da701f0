"""The audit set: fresh independent models, made as those that are scored, on which false positives are counted.

    python cv/audit.py                          # cpu tier, Fashion-MNIST
    python cv/audit.py TIER=smoke               # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from cv.domain import EPOCHS, EPSILON, LEARNING_RATE, PGD_STEPS  # noqa: F401 (constants of this script)
from fingerprinting import cli

COPIES = dict(smoke=1, quick=1, cpu=18, paper=18)  # of every architecture, on the attacker's and on the owner's part
SHARES = dict(
    smoke=(1 / 3,), quick=(1 / 3,), cpu=(1 / 3, 1 / 10), paper=(1 / 3, 1 / 10)
)  # of the data: less accurate ones
SHARE_COPIES = dict(smoke=1, quick=1, cpu=2, paper=2)  # as COPIES, of each share
TRANSFER_COPIES = dict(smoke=1, quick=0, cpu=0, paper=0)  # of them, transferred to the other task
TRANSFER_EPOCHS = dict(smoke=3, quick=5, cpu=5, paper=20)  # passes over the target's part
TRANSFER_LEARNING_RATE = dict(smoke=2e-3, quick=2e-3, cpu=2e-3, paper=1e-4)

if __name__ == "__main__":
    cli.run("fingerprinting.models.reference:audit", globals(), "cv")
