"""The owner trains the source model on the owner's part of the data.

    python bci/source.py                        # cpu tier, SelfRegulationSCP1
    python bci/source.py TIER=smoke             # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli
from fingerprinting.models import source_model

EPOCHS = dict(smoke=1, quick=1, cpu=1, paper=50)  # passes over the owner's part; below paper MIN_UPDATES decides
LEARNING_RATE = dict(smoke=2e-2, quick=2e-2, cpu=2e-2, paper=1e-3)  # peak of the one-cycle schedule
WEIGHTS = ""  # safetensors file of a model trained elsewhere, taken as it is; empty: train one

if __name__ == "__main__":
    cli.run(source_model.source, globals(), "bci")
