"""The owner's calibration models: independent, held out from selection and weights, for a verdict's p-value.

    python bci/calibration.py                    # cpu tier, SelfRegulationSCP1
    python bci/calibration.py TIER=smoke         # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from bci.domain import EPOCHS, EPSILON, LEARNING_RATE, PGD_STEPS  # noqa: F401 (constants of this script)
from fingerprinting import cli

COPIES = dict(smoke=1, quick=2, cpu=9, paper=9)  # of every architecture, on the owner's part
REFERENCE_COPIES = dict(smoke=1, quick=1, cpu=3, paper=9)  # on the reference part, and on as little of the owner's
SHARES = dict(
    smoke=(1 / 3,), quick=(1 / 3,), cpu=(1 / 3, 1 / 10), paper=(1 / 3, 1 / 10)
)  # of the data: less accurate ones
SHARE_COPIES = dict(smoke=1, quick=0, cpu=4, paper=4)  # as COPIES, of each share
TRANSFER_COPIES = dict(smoke=1, quick=0, cpu=4, paper=4)  # of them, transferred to the other task
TRANSFER_EPOCHS = dict(smoke=1, quick=1, cpu=1, paper=20)  # passes over the target's part
TRANSFER_LEARNING_RATE = dict(smoke=1e-2, quick=1e-2, cpu=1e-2, paper=1e-4)

if __name__ == "__main__":
    cli.run("fingerprinting.models.reference:calibration", globals(), "bci")
