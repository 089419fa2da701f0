"""The thief asks the source about the attacker's inputs and trains students of other designs on its answers.

    python bci/extract.py                        # cpu tier, SelfRegulationSCP1
    python bci/extract.py TIER=smoke             # seconds

Needs bci/source.py. Writes models to data/artifacts/, their records to results/records/; times: docs/results.md.
"""

from fingerprinting import cli
from fingerprinting.models import stolen

COPIES = dict(smoke=1, quick=1, cpu=2, paper=5)  # of every student architecture, per kind of extraction
EPOCHS = dict(smoke=1, quick=1, cpu=1, paper=50)  # passes over the answered inputs; below paper MIN_UPDATES decides
LEARNING_RATE = dict(smoke=2e-2, quick=2e-2, cpu=2e-2, paper=1e-3)  # peak of the one-cycle schedule
TEMPERATURE = 2.0  # of the distillation from probabilities
EPSILON = 2.0  # adversarial perturbation, infinity norm, microvolt
PGD_STEPS = dict(smoke=1, quick=1, cpu=1, paper=7)  # 1: one step to the edge, its gradient at a random start

if __name__ == "__main__":
    cli.run(stolen.extract, globals(), "bci")
