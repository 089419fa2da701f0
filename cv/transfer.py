"""The attacker transfers stolen weights to another task (new head, all layers); independent models likewise.

    python cv/transfer.py                        # cpu tier, Fashion-MNIST
    python cv/transfer.py TIER=smoke             # seconds

Needs cv/source.py, cv/irrelevant.py and cv/homologous.py. Writes models to data/artifacts/,
their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli

COPIES = dict(smoke=2, quick=2, cpu=6, paper=10)  # stolen models
IRRELEVANT_COPIES = dict(smoke=2, quick=2, cpu=6, paper=10)  # of cv/irrelevant.py's models, moved the same way
HOMOLOGOUS_COPIES = dict(smoke=1, quick=2, cpu=4, paper=5)  # of cv/homologous.py's models, moved the same way
EPOCHS = dict(smoke=3, quick=5, cpu=5, paper=20)  # passes over the attacker's part of the target
LEARNING_RATE = dict(smoke=2e-3, quick=2e-3, cpu=2e-3, paper=1e-4)  # peak of the one-cycle schedule

if __name__ == "__main__":
    cli.run("fingerprinting.models.stolen:transfer", globals(), "cv")
