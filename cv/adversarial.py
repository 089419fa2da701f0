"""The attacker trains stolen weights on, adversarially (PGD), on the attacker's part.

    python cv/adversarial.py                        # cpu tier, Fashion-MNIST
    python cv/adversarial.py TIER=smoke             # seconds

Needs cv/source.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from cv.domain import EPSILON, PGD_STEPS  # noqa: F401 (constants of this script)
from fingerprinting import cli

COPIES = dict(smoke=2, quick=2, cpu=4, paper=10)
EPOCHS = dict(smoke=2, quick=2, cpu=2, paper=20)  # passes over the attacker's part
LEARNING_RATE = dict(smoke=2e-3, quick=2e-3, cpu=2e-3, paper=1e-4)  # peak of the one-cycle schedule

if __name__ == "__main__":
    cli.run("fingerprinting.models.stolen:adversarial", globals(), "cv")
