"""Low-data reference models: the owner's reference models once more, on a third of the data.

    python nlp/low_data_references.py                        # cpu tier, THUOCL
    python nlp/low_data_references.py TIER=smoke             # seconds

Needs nlp/source.py. Never scored: they show what an owner with less data can do, and the calibrated
fingerprint learns from them how less accurate models respond and, in vision and EEG, where to ask. Writes
models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli
from nlp.domain import EPOCHS, EPSILON, LEARNING_RATE, PGD_STEPS  # noqa: F401 (constants of this script)
from nlp.references import (  # noqa: F401 (constants of this script)
    DRAWN,
    MODIFICATION_EPOCHS,
    MODIFICATION_LEARNING_RATES,
    RATIOS,
    STUDENTS,
    TEMPERATURE,
)

COPIES = dict(smoke=1, quick=1, cpu=1, paper=1)  # of every architecture and kind

if __name__ == "__main__":
    cli.run("fingerprinting.models.reference:low_data_references", globals(), "nlp")
