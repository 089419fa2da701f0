"""Independent models on the owner's own data: the hard negatives (DeepCore's homologous models).

    python cv/homologous.py                        # cpu tier, Fashion-MNIST
    python cv/homologous.py TIER=smoke             # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from cv.domain import EPOCHS, EPSILON, LEARNING_RATE, PGD_STEPS  # noqa: F401 (constants of this script)
from fingerprinting import cli

OVERLAPS = dict(smoke=(1.0,), quick=(1.0,), cpu=(1.0,), paper=(1.0,))  # shares of the owner's data they saw
SAME_COPIES = dict(smoke=1, quick=1, cpu=4, paper=10)  # of the source's architecture, per overlap
OTHER_COPIES = dict(smoke=1, quick=1, cpu=1, paper=3)  # of each student's architecture, per overlap
ADVERSARIAL_COPIES = dict(smoke=1, quick=1, cpu=4, paper=5)  # adversarially trained, going round the architectures

if __name__ == "__main__":
    cli.run("fingerprinting.models.independent:homologous", globals(), "cv")
