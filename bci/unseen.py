"""Attacks that no method was chosen on: students asked about other inputs than the source's, and int8.

    python bci/unseen.py                         # cpu tier, SelfRegulationSCP1
    python bci/unseen.py TIER=smoke              # seconds

Needs bci/source.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from bci.domain import EPOCHS, LEARNING_RATE  # noqa: F401 (constants of this script)
from fingerprinting import cli

COPIES = dict(smoke=1, quick=1, cpu=2, paper=5)  # of every student architecture, per kind of other inputs
QUANTISE_COPIES = dict(smoke=1, quick=1, cpu=2, paper=5)  # of the source, by ranges on other examples each
RANGE_EXAMPLES = 512  # of the attacker's part, from which the range of each layer's inputs is taken

if __name__ == "__main__":
    cli.run("fingerprinting.models.stolen:unseen", globals(), "bci")
