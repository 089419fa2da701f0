"""The thief asks the source about the attacker's inputs and trains students of other designs on its answers.

    python nlp/extract.py                        # cpu tier, THUOCL
    python nlp/extract.py TIER=smoke             # seconds

Needs nlp/source.py. Writes models to data/artifacts/, their records to results/records/; times: docs/results.md.
"""

from fingerprinting import cli
from fingerprinting.models import stolen

COPIES = dict(smoke=1, quick=1, cpu=2, paper=5)  # of every student architecture, per kind of extraction
EPOCHS = dict(smoke=4, quick=2, cpu=2, paper=20)  # passes over the answered inputs
LEARNING_RATE = dict(smoke=1e-2, quick=1e-2, cpu=1e-2, paper=1e-3)  # peak of the one-cycle schedule
TEMPERATURE = 2.0  # of the distillation from probabilities
EPSILON = 0.015  # adversarial perturbation, infinity norm, of the embedded text
PGD_STEPS = dict(smoke=1, quick=1, cpu=1, paper=7)  # 1: one step to the edge, its gradient at a random start

if __name__ == "__main__":
    cli.run(stolen.extract, globals(), "nlp")
