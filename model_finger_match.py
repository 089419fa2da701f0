"""Match every suspect against the source: which models are stolen, according to every fingerprint that was made.

    python model_finger_match.py                # DOMAIN=cv, cpu tier
    python model_finger_match.py TIER=smoke

Needs the models (<domain>/*.py) and a fingerprint (primary.py, evolved.py, baselines.py). Writes records, tables and
figures to results/ in place of those of the last match; `python -m fingerprinting.reports` writes README and docs.
"""

from fingerprinting import cli

DOMAIN = "cv"
ALPHA = dict(smoke=0.2, quick=0.1, cpu=0.01, paper=0.01)  # false positive rate that a verdict may have
BETA = dict(smoke=0.2, quick=0.1, cpu=0.05, paper=0.05)  # false negative rate at which a model is cleared
TAIL = "student"  # beyond what calibration models have seen: a normal tail, or conformal: no p-value so low
FINGERPRINTS_USED = ()  # such as primary,sac_m; empty: all that there are

if __name__ == "__main__":
    cli.run("fingerprinting.evaluation.match:match", globals(), report="fingerprinting.reports.show:matched")
