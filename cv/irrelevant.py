"""Independent models on the attacker's part with true labels: the negatives that a verdict must not accuse.

    python cv/irrelevant.py                        # cpu tier, Fashion-MNIST
    python cv/irrelevant.py TIER=smoke             # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/results.md.
"""

from fingerprinting import cli
from fingerprinting.models import independent

COPIES = dict(smoke=1, quick=2, cpu=4, paper=4)  # of every architecture, the source's included
ADVERSARIAL_COPIES = dict(smoke=1, quick=1, cpu=4, paper=5)  # adversarially trained, going round the architectures
EPOCHS = dict(smoke=4, quick=2, cpu=3, paper=100)  # passes over the attacker's part
LEARNING_RATE = dict(smoke=1e-2, quick=1e-2, cpu=1e-2, paper=1e-3)  # peak of the one-cycle schedule
EPSILON = 8 / 255  # adversarial perturbation, infinity norm, pixels in [0, 1]
PGD_STEPS = dict(smoke=1, quick=1, cpu=1, paper=7)  # 1: one step to the edge, its gradient at a random start

if __name__ == "__main__":
    cli.run(independent.irrelevant, globals(), "cv")
