"""The owner's reference models: independent and stolen models that are never scored.

    python nlp/references.py                    # cpu tier, THUOCL
    python nlp/references.py TIER=smoke         # seconds

Needs nlp/source.py. Baselines make queries with them, thresholds come from them. Writes models to
data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli
from nlp.domain import EPOCHS, EPSILON, LEARNING_RATE, PGD_STEPS  # noqa: F401 (constants of this script)

COPIES = dict(smoke=1, quick=1, cpu=3, paper=3)  # of every architecture and kind
TRANSFER_COPIES = dict(smoke=1, quick=0, cpu=1, paper=1)  # of the independent ones, transferred to the other task
STUDENTS = dict(smoke=1, quick=1, cpu=4, paper=4)  # how many of the students' architectures are used
RATIOS = (0.3, 0.6)  # shares of the units of the last features
DRAWN = 0.0  # of the owner's and the reference part, which each stolen model draws for itself; 0: all have the latter
MODIFICATION_EPOCHS = dict(smoke=2, quick=2, cpu=2, paper=3)  # passes, of the stolen source
MODIFICATION_LEARNING_RATES = dict(
    smoke=(1e-3,),
    quick=(1e-3,),
    cpu=(1e-3, 2e-3, 4e-3),
    paper=(2e-5, 4e-5, 8e-5),
)  # peaks, one model each
TRANSFER_EPOCHS = dict(smoke=3, quick=2, cpu=2, paper=3)  # passes over the target's reference part
TRANSFER_LEARNING_RATE = dict(smoke=5e-3, quick=5e-3, cpu=5e-3, paper=2e-5)
TEMPERATURE = 2.0  # of the distillation from probabilities

if __name__ == "__main__":
    cli.run("fingerprinting.models.reference:references", globals(), "nlp")
