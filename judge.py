"""Judge a suspect that can only be asked: write the questions for it, then pass the verdict on its answers.

    python judge.py                                  # DOMAIN=cv, cpu tier: writes questions/
    python judge.py ANSWERS=answers.txt              # a class per line, in the questions' order
    python judge.py ANSWERS=answers.txt OTHER_TASK=True LEVEL=0.05 CLEARED=0.17    # as few such models allow

Needs calibrated.py. questions/questions.npy holds the inputs as models take them (images in [0, 1], code points, EEG in
microvolt); texts stand in questions.txt too. The verdict is printed and written to questions/verdict.json.
"""

from fingerprinting import cli
from fingerprinting.calibrated import judge

DOMAIN = "cv"
QUERIES = "queries"  # folder
RESPONSES = ""  # file; empty: write the questions
OTHER_TASK = False  # whether the suspect's classes are others than the source's
ALPHA = dict(smoke=0.2, quick=0.1, cpu=0.01, paper=0.01)  # share of honest models that a verdict may accuse
BETA = dict(smoke=0.2, quick=0.1, cpu=0.05, paper=0.05)  # share of reference thefts that a verdict may clear

if __name__ == "__main__":
    cli.run(judge.judge, globals())
