"""Read a model with an owner's passports: bits per layer, text, accuracy under them, and the chance of it all.

    python cv/passport/verify.py SCHEME=2                            # the study's own model and passports
    python cv/passport/verify.py MODEL=suspect.safetensors PASSPORT=passports.safetensors DATASET=cifar10

Needs a model file and a passport file, and the labelled test data of DATASET for accuracies. p is the chance that so
many bits agree in a model that knows nothing of the passports: each agrees with probability 1/2.
"""

from fingerprinting import cli

SCHEME = "1"
ARCHITECTURE = dict(smoke="conv3", quick="conv3", cpu="conv3", paper="small_resnet18")
NORM = "batch"  # or group
MODEL = ""  # path of a model; empty: the one that cv/passport/train.py released
PASSPORT = ""  # path of a passport file; empty: the one written with it

if __name__ == "__main__":
    cli.run("cv.passport.verification:verify", globals(), "cv")
