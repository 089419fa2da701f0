"""The owner's reference models: independent and stolen models that are never scored.

    python cv/references.py                     # cpu tier, Fashion-MNIST
    python cv/references.py TIER=smoke          # seconds

Needs cv/source.py. Baselines make queries with them, thresholds come from them. Writes models to
data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from cv.domain import EPOCHS, EPSILON, LEARNING_RATE, PGD_STEPS  # noqa: F401 (constants of this script)
from fingerprinting import cli

COPIES = dict(smoke=1, quick=1, cpu=3, paper=3)  # of every architecture and kind
TRANSFER_COPIES = dict(smoke=1, quick=0, cpu=1, paper=1)  # of the independent ones, transferred to the other task
STUDENTS = dict(smoke=1, quick=1, cpu=4, paper=4)  # how many of the students' architectures are used
RATIOS = (0.3, 0.6)  # shares of the last convolution's units
DRAWN = 0.0  # of the owner's and the reference part, which each stolen model draws for itself; 0: all have the latter
MODIFICATION_EPOCHS = dict(smoke=2, quick=2, cpu=2, paper=20)  # passes, of the stolen source
MODIFICATION_LEARNING_RATES = dict(
    smoke=(1e-3,),
    quick=(1e-3,),
    cpu=(1e-3, 2e-3, 4e-3),
    paper=(1e-4, 2e-4, 4e-4),
)  # peaks, one model each
TRANSFER_EPOCHS = dict(smoke=3, quick=5, cpu=5, paper=20)  # passes over the target's reference part
TRANSFER_LEARNING_RATE = dict(smoke=2e-3, quick=2e-3, cpu=2e-3, paper=1e-4)
TEMPERATURE = 2.0  # of the distillation from probabilities

if __name__ == "__main__":
    cli.run("fingerprinting.models.reference:references", globals(), "cv")
