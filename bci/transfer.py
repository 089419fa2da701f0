"""The attacker transfers stolen weights to another task (new head, all layers); independent models likewise.

    python bci/transfer.py                        # cpu tier, SelfRegulationSCP1
    python bci/transfer.py TIER=smoke             # seconds

Needs bci/source.py, bci/irrelevant.py and bci/homologous.py. Writes models to data/artifacts/,
their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli

COPIES = dict(smoke=2, quick=2, cpu=6, paper=10)  # stolen models
IRRELEVANT_COPIES = dict(smoke=2, quick=2, cpu=6, paper=10)  # of bci/irrelevant.py's models, moved the same way
HOMOLOGOUS_COPIES = dict(smoke=1, quick=2, cpu=4, paper=5)  # of bci/homologous.py's models, moved the same way
EPOCHS = dict(smoke=1, quick=1, cpu=1, paper=20)  # passes over the attacker's part of the target
LEARNING_RATE = dict(smoke=1e-2, quick=1e-2, cpu=1e-2, paper=1e-4)  # peak of the one-cycle schedule

if __name__ == "__main__":
    cli.run("fingerprinting.models.stolen:transfer", globals(), "bci")
