"""The owner trains the source model on the owner's part of the data.

    python cv/source.py                        # cpu tier, Fashion-MNIST
    python cv/source.py TIER=smoke             # seconds

Needs data/prepare.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli

EPOCHS = dict(smoke=4, quick=4, cpu=6, paper=100)  # passes over the owner's part
LEARNING_RATE = dict(smoke=1e-2, quick=1e-2, cpu=1e-2, paper=1e-3)  # peak of the one-cycle schedule
WEIGHTS = ""  # safetensors file of a model trained elsewhere, taken as it is; empty: train one

if __name__ == "__main__":
    cli.run("fingerprinting.models.source_model:source", globals(), "cv")
