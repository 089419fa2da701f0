"""Primary fingerprint (TIFS 2025): the owner's examples that the source is surest and least sure of, right and wrong.

    python primary.py                           # DOMAIN=cv, cpu tier
    python primary.py N=30 TIER=smoke

Needs <domain>/source.py. Writes the fingerprint to data/artifacts/, its record to results/records/.
"""

from fingerprinting import generation, settings

DOMAIN = "cv"
N = dict(smoke=20, quick=80, cpu=80, paper=80)  # samples per component (TIFS: 80 for CIFAR)
LABELS = "source"  # what is recorded: the source's own answer, or `truth` as in the released code
FEWER = False  # take what there is where the source leaves fewer than N wrong samples

if __name__ == "__main__":
    settings.run(generation.primary, globals())
