"""The attacker transfers stolen weights to another task (new head, all layers); independent models likewise.

    python nlp/transfer.py                        # cpu tier, THUOCL
    python nlp/transfer.py TIER=smoke             # seconds

Needs nlp/source.py, nlp/irrelevant.py and nlp/homologous.py. Writes models to data/artifacts/,
their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli

COPIES = dict(smoke=2, quick=2, cpu=6, paper=10)  # stolen models
IRRELEVANT_COPIES = dict(smoke=2, quick=2, cpu=6, paper=10)  # of nlp/irrelevant.py's models, moved the same way
HOMOLOGOUS_COPIES = dict(smoke=1, quick=2, cpu=4, paper=5)  # of nlp/homologous.py's models, moved the same way
EPOCHS = dict(smoke=3, quick=2, cpu=2, paper=3)  # passes over the attacker's part of the target
LEARNING_RATE = dict(smoke=5e-3, quick=5e-3, cpu=5e-3, paper=2e-5)  # peak of the one-cycle schedule

if __name__ == "__main__":
    cli.run("fingerprinting.models.stolen:transfer", globals(), "nlp")
