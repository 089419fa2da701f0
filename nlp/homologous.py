"""Independent models on the owner's own data: the hard negatives (DeepCore's homologous models).

    python nlp/homologous.py                        # cpu tier, THUOCL
    python nlp/homologous.py TIER=smoke             # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/results.md.
"""

from fingerprinting import cli
from fingerprinting.models import independent

OVERLAPS = dict(smoke=(1.0,), quick=(1.0,), cpu=(1.0,), paper=(1.0,))  # shares of the owner's data they saw
SAME_COPIES = dict(smoke=1, quick=1, cpu=4, paper=10)  # of the source's architecture, per overlap
OTHER_COPIES = dict(smoke=1, quick=1, cpu=1, paper=3)  # of each student's architecture, per overlap
ADVERSARIAL_COPIES = dict(smoke=1, quick=1, cpu=4, paper=5)  # adversarially trained, going round the architectures
EPOCHS = dict(smoke=4, quick=2, cpu=2, paper=20)  # passes over the training part
LEARNING_RATE = dict(smoke=1e-2, quick=1e-2, cpu=1e-2, paper=1e-3)  # peak of the one-cycle schedule
EPSILON = 0.015  # adversarial perturbation, infinity norm, of the embedded text
PGD_STEPS = dict(smoke=1, quick=1, cpu=1, paper=7)  # 1: one step to the edge, its gradient at a random start

if __name__ == "__main__":
    cli.run(independent.homologous, globals(), "nlp")
