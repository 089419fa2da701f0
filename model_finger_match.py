"""Match every suspect of the zoo against the source: who stole it, told by every fingerprint there is.

    python model_finger_match.py                # DOMAIN=cv, cpu tier
    python model_finger_match.py TIER=smoke

Needs the zoo (<domain>/*.py) and a fingerprint (primary.py, evolved.py, baselines.py). Writes records, tables and
figures to results/ in place of those of the last match; `python -m fingerprinting.reports` writes README and docs.
"""

from fingerprinting import cli
from fingerprinting.evaluation import match
from fingerprinting.reports import show

DOMAIN = "cv"
ALPHA = dict(smoke=0.2, quick=0.1, cpu=0.01, paper=0.01)  # share of independent models that a verdict may flag
BETA = dict(smoke=0.2, quick=0.1, cpu=0.05, paper=0.05)  # share of stolen reference models that a verdict may clear
FINGERPRINTS_USED = ()  # such as primary,sac_m; empty: all that there are

if __name__ == "__main__":
    cli.run(match.match, globals(), report=show.matched)
