"""What a verdict costs: AUC by number of twins and of queries, and what an owner has to choose queries from.

    python price.py                       # DOMAIN=cv, cpu tier
    python price.py DOMAIN=nlp TWINS=1,3 QUERIES=100

Needs the models (<domain>/*.py), twins among them, or the labels of all of them that are kept in results/: without
models it scores those again. Writes labels, records and a table to results/; changes no fingerprint.
"""

from fingerprinting import cli

DOMAIN = "cv"
TWINS = dict(smoke=(0, 1, 2), quick=(0, 1, 3), cpu=(0, 1, 2, 3, 6), paper=(0, 1, 2, 3, 6))
QUERIES = dict(
    smoke=(20, 40), quick=(50, 100, 200), cpu=(25, 50, 100, 200, 400, 800, 1_600), paper=(50, 100, 200, 400, 800)
)
ALPHAS = (0.01, 0.05)  # false positive rates at which models are flagged, against calibration.py's
DRAWS = dict(smoke=2, quick=5, cpu=20, paper=20)  # of the twins among all that there are, and of which of them choose

if __name__ == "__main__":
    cli.run("fingerprinting.evaluation.price:price", globals(), report="fingerprinting.reports.show:priced")
