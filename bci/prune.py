"""The attacker fine-prunes stolen weights: the least active units are masked, the rest is repaired.

    python bci/prune.py                        # cpu tier, SelfRegulationSCP1
    python bci/prune.py TIER=smoke             # seconds

Needs bci/source.py. Writes models to data/artifacts/, their records to results/records/; times: docs/costs.md.
"""

from fingerprinting import cli

RATIOS = dict(
    smoke=(0.3, 0.6),
    quick=(0.2, 0.45, 0.7),
    cpu=(0.1, 0.2, 0.3, 0.45, 0.6, 0.75),
    paper=tuple(step / 20 for step in range(1, 16)),
)  # shares of the last convolution's units
ACTIVITY_EXAMPLES = 2000  # of the attacker's part, on which activity is measured
EPOCHS = dict(smoke=1, quick=1, cpu=1, paper=5)  # repairing passes over the attacker's part
LEARNING_RATE = dict(smoke=1e-3, quick=1e-3, cpu=1e-3, paper=1e-4)  # peak of the one-cycle schedule

if __name__ == "__main__":
    cli.run("fingerprinting.models.stolen:prune", globals(), "bci")
