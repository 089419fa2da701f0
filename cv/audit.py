"""Further independents, made as those that are scored: how often an independent model is flagged is counted on these.

    python cv/audit.py                          # cpu tier, Fashion-MNIST
    python cv/audit.py TIER=smoke               # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/results.md.
"""

from cv.domain import EPOCHS, EPSILON, LEARNING_RATE, PGD_STEPS  # noqa: F401 (constants of this script)
from fingerprinting import cli
from fingerprinting.models import reference

COPIES = dict(smoke=1, quick=1, cpu=18, paper=18)  # of every architecture, on the attacker's and on the owner's part
SHARES = dict(
    smoke=(1 / 3,), quick=(1 / 3,), cpu=(1 / 3, 1 / 10), paper=(1 / 3, 1 / 10)
)  # of the data: less accurate ones
SHARE_COPIES = dict(smoke=1, quick=1, cpu=2, paper=2)  # as COPIES, of each share
TRANSFER_COPIES = dict(smoke=1, quick=0, cpu=0, paper=0)  # of them moved to the transfer target
TRANSFER_EPOCHS = dict(smoke=3, quick=5, cpu=5, paper=20)  # passes over the target's part
TRANSFER_LEARNING_RATE = dict(smoke=2e-3, quick=2e-3, cpu=2e-3, paper=1e-4)

if __name__ == "__main__":
    cli.run(reference.audit, globals(), "cv")
