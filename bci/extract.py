"""The attacker asks the source about the attacker's inputs and trains students on its responses.

    python bci/extract.py                        # cpu tier, SelfRegulationSCP1
    python bci/extract.py TIER=smoke             # seconds

Needs bci/source.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from bci.domain import EPOCHS, EPSILON, LEARNING_RATE, PGD_STEPS  # noqa: F401 (constants of this script)
from fingerprinting import cli

COPIES = dict(smoke=1, quick=1, cpu=2, paper=5)  # of every student architecture, per kind of extraction
SAME_COPIES = dict(smoke=1, quick=0, cpu=2, paper=10)  # of the source's own architecture, per kind but the adversarial
TEMPERATURE = 2.0  # of the distillation from probabilities

if __name__ == "__main__":
    cli.run("fingerprinting.models.stolen:extract", globals(), "bci")
