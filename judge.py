"""Judge a suspect that can only be asked: write the queries for it, then pass the verdict on its responses.

    python judge.py                                  # DOMAIN=cv, cpu tier: writes queries/
    python judge.py RESPONSES=responses.txt              # a class per line, in the queries' order
    python judge.py RESPONSES=responses.txt OTHER_TASK=True ALPHA=0.05 BETA=0.17    # as few such models allow

Needs calibrated.py. queries/queries.npy holds the inputs as models take them (images in [0, 1], code points, EEG in
microvolt); texts stand in queries.txt too. The verdict is printed and written to queries/verdict.json.
"""

from fingerprinting import cli
from fingerprinting.calibrated import judge

DOMAIN = "cv"
QUERIES = "queries"  # folder
RESPONSES = ""  # file; empty: write the queries
OTHER_TASK = False  # whether the suspect's classes are others than the source's
ALPHA = dict(smoke=0.2, quick=0.1, cpu=0.01, paper=0.01)  # share of independent models that a verdict may flag
BETA = dict(smoke=0.2, quick=0.1, cpu=0.05, paper=0.05)  # share of stolen reference models that a verdict may clear

if __name__ == "__main__":
    cli.run(judge.judge, globals())
