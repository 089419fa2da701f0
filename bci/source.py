"""The owner trains the source model on the owner's part of the data.

    python bci/source.py                        # cpu tier, SelfRegulationSCP1
    python bci/source.py TIER=smoke             # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli

# passes over the owner's part; of few trials MIN_UPDATES decides
EPOCHS = dict(smoke=1, quick=1, cpu=dict(eyes=8, other=1), paper=50)
LEARNING_RATE = dict(smoke=2e-2, quick=2e-2, cpu=dict(eyes=5e-3, other=2e-2), paper=1e-3)  # of the one-cycle, its peak
WEIGHTS = ""  # safetensors file of a model trained elsewhere, taken as it is; empty: train one

if __name__ == "__main__":
    cli.run("fingerprinting.models.source_model:source", globals(), "bci")
