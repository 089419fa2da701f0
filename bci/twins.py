"""Twins: the owner repeats its source's training with other seeds, to know what any such model responds.

    python bci/twins.py                       # cpu tier, SelfRegulationSCP1
    python bci/twins.py TIER=smoke            # seconds

Needs bci/source.py. What a suspect shares with the source but not with its twins is evidence of stealing. Writes models
to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from bci.source import EPOCHS, LEARNING_RATE  # noqa: F401 (constants of this script)
from fingerprinting import cli

COPIES = dict(smoke=2, quick=3, cpu=6, paper=6)  # the source's architecture and recipe
OTHER_COPIES = dict(smoke=1, quick=0, cpu=2, paper=0)  # of a recipe that the owner does not remember well
OTHER_EPOCHS = dict(smoke=20, quick=30, cpu=dict(eyes=6, other=45), paper=30)  # its passes
TRANSFER_COPIES = dict(smoke=1, quick=0, cpu=6, paper=6)  # of them, and the source, transferred to the other task
TRANSFER_EPOCHS = dict(smoke=1, quick=1, cpu=1, paper=20)  # passes over the target's part
TRANSFER_LEARNING_RATE = dict(smoke=1e-2, quick=1e-2, cpu=1e-2, paper=1e-4)

if __name__ == "__main__":
    cli.run("fingerprinting.models.twins:twins", globals(), "bci")
