"""An adaptive adversary: it detects queries, erases or evades them, and trains its copy away from the source.

    python detect_erase_attack.py               # DOMAIN=cv, cpu tier
    python detect_erase_attack.py TIER=smoke

Needs model_finger_match.py. The attacker fits on the attacker's part alone. Writes the copies called `removal` to
data/artifacts/; records, tables (erasure.csv) and a figure to results/.
"""

from fingerprinting import cli

DOMAIN = "cv"
HELD_OUT = dict(bci=0.5, other=0.2)  # share of the attacker's part that sets thresholds and is not fitted on
AUTOENCODER_EPOCHS = dict(smoke=1, quick=2, cpu=2, paper=30)  # passes over what it is fitted on
AUTOENCODER_LEARNING_RATE = 3e-3  # peak of the one-cycle schedule
AUTOENCODER_UPDATES = dict(smoke=60, quick=200, cpu=400, paper=0)  # at least; few inputs are passed more often
# Channels of the autoencoder's code, whose sides are a quarter of an input's: room for half of a grey image, for a
# quarter of one electrode's recording.
CODE = dict(bci=dict(smoke=1, quick=1, cpu=1, paper=8), other=dict(smoke=8, quick=8, cpu=8, paper=32))
ORDER = 3  # text: characters of an n-gram
EVASION_FPR = 0.05  # false alarms that the attacker accepts when it responds at random, or not at all
DECIMALS = 2  # of rounded probabilities
TEMPERATURE = 4.0  # of flattened ones
NOISE = 0.1  # deviation of the noise on probabilities
COST_INPUTS = 2_000  # test inputs on which a defence's cost in accuracy is measured
REMOVAL_COPIES = dict(smoke=2, quick=2, cpu=4, paper=10)
REMOVAL_EPOCHS = dict(smoke=2, quick=2, cpu=2, paper=20)  # passes over the attacker's part
REMOVAL_LEARNING_RATE = dict(smoke=3e-3, quick=3e-3, cpu=3e-3, paper=1e-4)
FEATURE_WEIGHT = 0.5  # of the cosine between the copy's and the source's features before the head
RANKING_WEIGHT = 0.5  # of the cosine between their logits of the classes other than the label; idle with two classes

if __name__ == "__main__":
    cli.run("fingerprinting.robustness.adaptive:attack", globals(), report="fingerprinting.reports.show:adaptive")
