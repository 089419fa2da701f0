"""Primary fingerprint (TIFS 2025): the owner's examples about which the source is most and least confident.

    python primary.py                           # DOMAIN=cv, cpu tier
    python primary.py N=30 TIER=smoke

Needs <domain>/source.py. Writes the fingerprint to data/artifacts/, its record to results/records/.
"""

from fingerprinting import cli

DOMAIN = "cv"
N = dict(
    nlp=dict(smoke=20, quick=80, cpu=80, paper=500),
    bci=dict(smoke=10, quick=30, cpu=30, paper=30),
    other=dict(smoke=20, quick=80, cpu=80, paper=80),
)  # samples per component (TIFS: 80 for CIFAR, 500 in the released text runs, 30 for EEG)
LABELS = "source"  # what is recorded: the source's own response, or `truth` as in the released code
FEWER = dict(bci=True, other=False)  # take what there is where the source leaves too few wrong samples

if __name__ == "__main__":
    cli.run("fingerprinting.fingerprints.generate:primary", globals())
