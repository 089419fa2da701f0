"""Evolved fingerprint (EFA, TIFS 2025): every primary sample moved to where the source's response is more telling.

    python evolved.py                           # DOMAIN=cv, cpu tier, published constants
    python evolved.py LEARNING_RATE=0.01 STEPS=50    # settings that do move the samples

Needs primary.py. Writes the fingerprint to data/artifacts/, its records and a picture of samples to results/.
"""

from fingerprinting import cli

DOMAIN = "cv"
STEPS = 10  # tau
LEARNING_RATE = 1e-3  # eta
MU = 1e-5  # keeps the confident components' loss finite
OMEGA = 2.0  # how far above 1/C an uncertain sample's top probability may rise
SUBSTITUTIONS = 3  # text: characters that may change in a sample
CANDIDATES = 32  # text: first-order best substitutions that are verified by asking the source

if __name__ == "__main__":
    cli.run("fingerprinting.fingerprints.generate:evolved", globals(), report="fingerprinting.reports.show:evolved")
