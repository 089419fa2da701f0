"""Independent models on the attacker's part with true labels: the negatives that a verdict must not accuse.

    python bci/irrelevant.py                        # cpu tier, SelfRegulationSCP1
    python bci/irrelevant.py TIER=smoke             # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/results.md.
"""

from fingerprinting import cli
from fingerprinting.models import independent

COPIES = dict(smoke=1, quick=2, cpu=4, paper=4)  # of every architecture, the source's included
ADVERSARIAL_COPIES = dict(smoke=1, quick=1, cpu=4, paper=5)  # adversarially trained, going round the architectures
EPOCHS = dict(smoke=1, quick=1, cpu=1, paper=50)  # passes over the attacker's part; below paper MIN_UPDATES decides
LEARNING_RATE = dict(smoke=2e-2, quick=2e-2, cpu=2e-2, paper=1e-3)  # peak of the one-cycle schedule
EPSILON = 2.0  # adversarial perturbation, infinity norm, microvolt
PGD_STEPS = dict(smoke=1, quick=1, cpu=1, paper=7)  # 1: one step to the edge, its gradient at a random start

if __name__ == "__main__":
    cli.run(independent.irrelevant, globals(), "bci")
