"""The attacker trains stolen weights on, adversarially (PGD), on the attacker's part.

    python bci/adversarial.py                        # cpu tier, SelfRegulationSCP1
    python bci/adversarial.py TIER=smoke             # seconds

Needs bci/source.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from bci.domain import EPSILON, PGD_STEPS  # noqa: F401 (constants of this script)
from fingerprinting import cli

COPIES = dict(smoke=2, quick=2, cpu=4, paper=10)
EPOCHS = dict(smoke=1, quick=1, cpu=1, paper=20)  # passes over the attacker's part; below paper MIN_UPDATES decides
LEARNING_RATE = dict(smoke=2e-3, quick=2e-3, cpu=2e-3, paper=1e-4)  # peak of the one-cycle schedule

if __name__ == "__main__":
    cli.run("fingerprinting.models.stolen:adversarial", globals(), "bci")
