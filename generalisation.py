"""How far the calibrated fingerprint carries: thefts, designs and data left out, fewer models, other scores.

    python generalisation.py                    # DOMAIN=cv, cpu tier
    python generalisation.py DOMAIN=nlp N=50

Needs the zoo (<domain>/*.py with references.py; thirds.py for references on a third of the data), primary.py and
evolved.py. Writes records and a table to results/; changes no fingerprint.
"""

from fingerprinting import generalisation, settings

DOMAIN = "cv"
N = dict(smoke=40, quick=200, cpu=200, paper=200)  # queries, where their number is not what is varied
KINDS = dict(  # of candidates
    cv=("primary", "evolved", "wrong", "boundary", "mixed", "mixed_twice", "mixed_mistakes"),
    nlp=("primary", "evolved", "wrong", "boundary", "mixed", "mixed_twice", "mixed_mistakes"),
    bci=("primary", "evolved", "wrong", "boundary", "mixed", "mixed_twice", "mixed_mistakes", "scrambled"),
)
CANDIDATES = dict(smoke=100, quick=200, cpu=1_000, paper=2_000)  # of each kind, at most
EXTRACTION_SHARE = 0.75  # of the queries that are chosen against extraction
BUDGETS = dict(smoke=(20, 80), quick=(50, 100), cpu=(25, 50, 100, 320), paper=(25, 50, 100, 320))  # queries
REFERENCES = dict(smoke=(12,), quick=(16, 32), cpu=(8, 16, 32, 48, 72), paper=(8, 16, 32, 48, 72))  # models

if __name__ == "__main__":
    settings.run(generalisation.generalisation, globals())
