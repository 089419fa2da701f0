"""Twins: the owner repeats its source's training with other seeds, to know what any such model responds.

    python cv/twins.py                        # cpu tier, Fashion-MNIST
    python cv/twins.py TIER=smoke             # seconds

Needs cv/source.py. What a suspect shares with the source but not with its twins is evidence of stealing. Writes models
to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from cv.source import EPOCHS, LEARNING_RATE  # noqa: F401 (constants of this script)
from fingerprinting import cli

COPIES = dict(smoke=2, quick=3, cpu=6, paper=6)  # the source's architecture and recipe
OTHER_COPIES = dict(smoke=1, quick=0, cpu=2, paper=0)  # of a recipe that the owner does not remember well
OTHER_EPOCHS = dict(smoke=2, quick=2, cpu=4, paper=60)  # its passes
TRANSFER_COPIES = dict(smoke=1, quick=0, cpu=6, paper=6)  # of them, and the source, transferred to the other task
TRANSFER_EPOCHS = dict(smoke=3, quick=5, cpu=5, paper=20)  # passes over the target's part
TRANSFER_LEARNING_RATE = dict(smoke=2e-3, quick=2e-3, cpu=2e-3, paper=1e-4)

if __name__ == "__main__":
    cli.run("fingerprinting.models.twins:twins", globals(), "cv")
