"""How much extraction must ask: students on the source's labels of a rising share of the attacker's inputs.

    python cv/extract_sweep.py                  # cpu tier, Fashion-MNIST
    python cv/extract_sweep.py TIER=smoke       # seconds

Needs cv/source.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from cv.domain import EPOCHS, LEARNING_RATE  # noqa: F401 (constants of this script)
from fingerprinting import cli

SHARES = dict(
    smoke=(0.25, 1.0), quick=(0.25, 1.0), cpu=(0.03, 0.1, 0.3, 1.0), paper=(0.03, 0.1, 0.3, 1.0)
)  # of the attacker's inputs; a smaller share's are all in every larger one
STUDENTS = 2  # how many of the students' architectures are used
COPIES = dict(smoke=1, quick=1, cpu=2, paper=3)  # of every architecture and share

if __name__ == "__main__":
    cli.run("fingerprinting.models.stolen:extract_sweep", globals(), "cv")
