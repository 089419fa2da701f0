"""The stealing attacks on a network with passports: what passports and fingerprints prove.

    python cv/passport/steal.py                     # every scheme, cpu tier, Fashion-MNIST
    python cv/passport/steal.py SCHEME=2
    python cv/passport/steal.py TIER=smoke          # seconds

Attacks: fine-tuning of the head and of all layers, fine-pruning, adversarial training, transfer, extraction by labels,
probabilities and adversarial samples, by a student of the source's own architecture and by another. Needs
cv/passport/train.py, and the independent models of cv/irrelevant.py, homologous.py and transfer.py. Writes models and
fingerprints to data/artifacts/, records and tables to results/; numbers: docs/passports.md.
"""

from cv.domain import EPSILON, PGD_STEPS  # noqa: F401 (constants of this script)
from fingerprinting import cli

SCHEME = "all"
ARCHITECTURE = dict(smoke="conv3", quick="conv3", cpu="conv3", paper="small_resnet18")
NORM = "batch"  # or group
COPIES = dict(smoke=1, quick=1, cpu=2, paper=5)  # per kind of stealing attack, and per architecture of student
MODIFICATION_EPOCHS = dict(smoke=2, quick=1, cpu=2, paper=20)  # of all but extraction, over the attacker's part
MODIFICATION_LEARNING_RATE = dict(smoke=1e-3, quick=1e-3, cpu=1e-3, paper=1e-4)  # peak of the one-cycle schedule
RATIOS = dict(smoke=(0.5,), quick=(0.3, 0.6), cpu=(0.3, 0.6), paper=(0.2, 0.4, 0.6))  # of fine-pruning
ACTIVITY_EXAMPLES = 2000  # on which activity is measured
EXTRACT_EPOCHS = dict(smoke=4, quick=2, cpu=2, paper=100)
EXTRACT_LEARNING_RATE = dict(smoke=1e-2, quick=1e-2, cpu=1e-2, paper=1e-3)
TEMPERATURE = 2.0  # of the distillation from probabilities
N = dict(smoke=20, quick=100, cpu=100, paper=100)  # queries of AKH and SAC-m
COMPONENTS_N = dict(smoke=10, quick=80, cpu=80, paper=80)  # of Primary, per component

if __name__ == "__main__":
    cli.run("cv.passport.stealing_attacks:steal", globals(), "cv", "fingerprinting.reports.show:passports")
