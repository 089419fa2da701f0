"""Attack a network with passports: forged passports, flipped signs, pruning, fine-tuning, the residual-block forgery.

    python cv/passport/attack.py                        # every attack on every scheme, cpu tier, Fashion-MNIST
    python cv/passport/attack.py KIND=residual_block SCHEME=2
    python cv/passport/attack.py TIER=smoke             # seconds

KIND: fake1 (passports of other images), fake1_noise (of noise), fake2 (γ, β trained without passports),
fake2_published (as released), fake3 (passports trained from the owner's), fake3_published (as released), flip (signs of
γ turned round), prune (smallest weights of each layer zeroed), prune_global (of the network, as released), fine_tune
(all layers, with the old head or a new one), residual_block (Chen et al. 2023), solve (passports computed, nothing
trained), none (the owner's passports, for comparison) or all.

Needs cv/passport/train.py. Writes records, passports.csv, a page and figures to results/; numbers: docs/passports.md.
"""

from fingerprinting import cli

KIND = "all"
SCHEME = "all"
ARCHITECTURE = dict(smoke="conv3", quick="conv3", cpu="conv3", paper="small_resnet18")
NORM = "batch"  # or group
SHARES = dict(
    smoke=(0.0, 0.5, 1.0),
    quick=(0.0, 0.25, 0.5, 0.75, 1.0),
    cpu=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    paper=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
)  # of signs flipped, and of weights pruned
FORGED_SHARES = dict(smoke=(0.5,), quick=(0.0, 0.5), cpu=(0.0, 0.1, 0.5), paper=(0.0, 0.1, 0.3, 0.5))  # fake2, fake3
DRAWS = dict(smoke=2, quick=3, cpu=5, paper=10)  # of what is random and not trained
FORGE_EPOCHS = dict(smoke=1, quick=1, cpu=2, paper=20)  # passes over the attacker's part
FORGE_LEARNING_RATE = 1e-2  # peak of the one-cycle schedule, as below
FINE_TUNE_EPOCHS = dict(smoke=2, quick=2, cpu=2, paper=20)
FINE_TUNE_LEARNING_RATE = 1e-3
SIGN_WEIGHT = 0.1  # of the sign loss with the forger's signature
NOISE = 0.5  # added to the owner's passports where fake3 starts, in their deviations
DATA_SHARE = 0.1  # of the attacker's part that residual_block needs (Chen et al.: less than a tenth)
CHOSEN_SHARES = dict(smoke=(1.0,), quick=(0.0, 1.0), cpu=(0.0, 0.5, 1.0), paper=(0.0, 0.5, 1.0))  # of its signature
EXPANSION = 4  # hidden width of a residual block, in channels

if __name__ == "__main__":
    cli.run("cv.passport.measuring:attack", globals(), "cv", "fingerprinting.reports.show:passports")
