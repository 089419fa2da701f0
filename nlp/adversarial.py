"""The attacker trains stolen weights on, adversarially (PGD), on the attacker's part.

    python nlp/adversarial.py                        # cpu tier, THUOCL
    python nlp/adversarial.py TIER=smoke             # seconds

Needs nlp/source.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli
from nlp.domain import EPSILON, PGD_STEPS  # noqa: F401 (constants of this script)

COPIES = dict(smoke=2, quick=2, cpu=4, paper=10)
EPOCHS = dict(smoke=2, quick=2, cpu=2, paper=3)  # passes over the attacker's part
LEARNING_RATE = dict(smoke=2e-3, quick=2e-3, cpu=2e-3, paper=2e-5)  # peak of the one-cycle schedule

if __name__ == "__main__":
    cli.run("fingerprinting.models.stolen:adversarial", globals(), "nlp")
