"""The owner trains a network with passports (DeepIPR): schemes 1, 2 and 3, and for comparison the same without.

    python cv/passport/train.py SCHEME=1            # cpu tier, Fashion-MNIST; 1, 2, 3 or all
    python cv/passport/train.py TIER=smoke          # seconds
    python cv/passport/train.py ARCHITECTURE=alexnet DATASET=cifar10 NORM=group CONFIG=my_passports.json

Needs data/prepare.py. Writes the released networks and, beside each, the owner's passport file to data/artifacts/,
their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli

SCHEME = "all"  # 1: passports always used; 2: in a private branch; 3: scheme 2 with trigger images
ARCHITECTURE = dict(smoke="conv3", quick="conv3", cpu="conv3", paper="small_resnet18")
NORM = "batch"  # or group
CONFIG = ""  # JSON: false, true or a text signature per convolution; empty: the architecture's in cv/passport/configs
EPOCHS = dict(smoke=8, quick=8, cpu=8, paper=100)  # passes over the owner's part, without passports and again with
LEARNING_RATE = dict(smoke=3e-3, quick=3e-3, cpu=3e-3, paper=1e-3)  # peak of the one-cycle schedule
SIGN_WEIGHT = 0.1  # of the sign loss, as in the released code
PASSPORT_IMAGES = 20  # images whose activations make a passport, as published
TRIGGERS = 100  # scheme 3's images
TRIGGERS_PER_BATCH = 3

if __name__ == "__main__":
    cli.run("cv.passport.training:train", globals(), "cv")
