"""The owner's calibration models: independent, held out from selection and weights, for a verdict's p-value.

    python nlp/calibration.py                    # cpu tier, THUOCL
    python nlp/calibration.py TIER=smoke         # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli
from nlp.domain import EPOCHS, EPSILON, LEARNING_RATE, PGD_STEPS  # noqa: F401 (constants of this script)

COPIES = dict(smoke=1, quick=2, cpu=9, paper=9)  # of every architecture, on the owner's part
REFERENCE_COPIES = dict(smoke=1, quick=1, cpu=3, paper=9)  # on the reference part, and on as little of the owner's
SHARES = dict(
    smoke=(1 / 3,), quick=(1 / 3,), cpu=(1 / 3, 1 / 10), paper=(1 / 3, 1 / 10)
)  # of the data: less accurate ones
SHARE_COPIES = dict(smoke=1, quick=0, cpu=4, paper=4)  # as COPIES, of each share
TRANSFER_COPIES = dict(smoke=1, quick=0, cpu=4, paper=4)  # of them, transferred to the other task
TRANSFER_EPOCHS = dict(smoke=3, quick=2, cpu=2, paper=3)  # passes over the target's part
TRANSFER_LEARNING_RATE = dict(smoke=5e-3, quick=5e-3, cpu=5e-3, paper=2e-5)

if __name__ == "__main__":
    cli.run("fingerprinting.models.reference:calibration", globals(), "nlp")
