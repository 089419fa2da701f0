"""Ablation of the calibrated fingerprint: attacks, architectures or data left out, fewer models, other scores.

    python ablation.py                    # DOMAIN=cv, cpu tier
    python ablation.py DOMAIN=nlp BUDGETS=50,100

Needs the models (<domain>/*.py) and calibrated.py, whose constants it varies. Writes records and a table to results/;
changes no fingerprint.
"""

from fingerprinting import cli

DOMAIN = "cv"
BUDGETS = dict(smoke=(20, 80), quick=(50, 100), cpu=(25, 50, 100, 320), paper=(25, 50, 100, 320))  # queries
REFERENCES = dict(smoke=(12,), quick=(16, 32), cpu=(8, 16, 32, 48, 72), paper=(8, 16, 32, 48, 72))  # models

if __name__ == "__main__":
    cli.run("fingerprinting.evaluation.ablation:ablate", globals(), report="fingerprinting.reports.show:varied")
