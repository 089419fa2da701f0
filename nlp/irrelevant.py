"""Independent models on the attacker's part with true labels: the negatives that a verdict must not flag.

    python nlp/irrelevant.py                        # cpu tier, THUOCL
    python nlp/irrelevant.py TIER=smoke             # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli
from nlp.domain import EPOCHS, EPSILON, LEARNING_RATE, PGD_STEPS  # noqa: F401 (constants of this script)

COPIES = dict(smoke=1, quick=2, cpu=4, paper=4)  # of every architecture, the source's included
ADVERSARIAL_COPIES = dict(smoke=1, quick=1, cpu=4, paper=5)  # adversarially trained, going round the architectures

if __name__ == "__main__":
    cli.run("fingerprinting.models.independent:irrelevant", globals(), "nlp")
