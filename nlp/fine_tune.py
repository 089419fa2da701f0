"""The attacker fine-tunes stolen weights on the attacker's part: the head only, and all layers.

    python nlp/fine_tune.py                        # cpu tier, THUOCL
    python nlp/fine_tune.py TIER=smoke             # seconds

Needs nlp/source.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli

LAYERS = ("last", "all")  # what the attacker updates
COPIES = dict(smoke=2, quick=2, cpu=4, paper=10)  # per entry of LAYERS
EPOCHS = dict(smoke=2, quick=2, cpu=2, paper=3)  # passes over the attacker's part
LEARNING_RATE = dict(smoke=1e-3, quick=1e-3, cpu=1e-3, paper=2e-5)  # peak of the one-cycle schedule

if __name__ == "__main__":
    cli.run("fingerprinting.models.stolen:fine_tune", globals(), "nlp")
