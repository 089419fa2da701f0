"""Low-data reference models: the owner's reference models once more, on a third of the data.

    python nlp/low_data_references.py                        # cpu tier, THUOCL
    python nlp/low_data_references.py TIER=smoke             # seconds

Needs nlp/source.py. Never scored: they show what an owner with less data can do, and the calibrated
fingerprint learns from them how less accurate models respond and, in vision and EEG, where to ask. Writes
models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli
from fingerprinting.models import reference
from nlp.domain import EPOCHS, EPSILON, LEARNING_RATE, PGD_STEPS  # noqa: F401 (constants of this script)

COPIES = dict(smoke=1, quick=1, cpu=1, paper=1)  # of every architecture and kind
STUDENTS = dict(smoke=1, quick=1, cpu=4, paper=4)  # how many of the students' architectures are used
RATIOS = (0.3, 0.6)  # shares of the units of the last features
DRAWN = (
    0.0  # of the owner's and the reference part, which each stealing attack draws for itself; 0: all have the latter
)
MODIFICATION_EPOCHS = dict(smoke=2, quick=2, cpu=2, paper=3)  # passes, of the stolen source
MODIFICATION_LEARNING_RATES = dict(
    smoke=(1e-3,),
    quick=(1e-3,),
    cpu=(1e-3, 2e-3, 4e-3),
    paper=(2e-5, 4e-5, 8e-5),
)  # peaks, one model each
TEMPERATURE = 2.0  # of the distillation from probabilities

if __name__ == "__main__":
    cli.run(reference.low_data_references, globals(), "nlp")
