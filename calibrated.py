"""Calibrated fingerprint: the queries that tell stolen from independent models, and how far independent ones go.

    python calibrated.py                        # DOMAIN=cv, cpu tier
    python calibrated.py SIZE=twins N=400 DOMAIN=nlp

SIZE=twins needs <domain>/twins.py and calibration.py, SIZE=pairs pairs.py too; SIZE=full needs primary.py, evolved.py,
references.py, low_data_references.py and calibration.py. Writes the fingerprint to data/artifacts/, its record to
results/; model_finger_match.py scores it beside the others and passes verdicts by it.
"""

from fingerprinting import cli

DOMAIN = "cv"
SIZE = dict(smoke="full", quick="twins", cpu="full", paper="full")  # twins, pairs or full
N = dict(smoke=40, quick=200, cpu=200, paper=200)  # queries
CONTROLS = dict(
    smoke=20, quick=50, cpu=50, paper=50
)  # further queries, by which a suspect's control accuracy is measured
# The rest is of SIZE=full.
KINDS = dict(  # of candidates
    other=("primary", "evolved", "wrong", "boundary", "mixed", "mixed_twice", "mixed_mistakes")
    + ("contrasted_extraction", "contrasted_modification"),
    nlp=("primary", "evolved", "wrong", "boundary", "mixed", "mixed_twice", "mixed_mistakes"),
    bci=("primary", "evolved", "wrong", "boundary", "mixed", "mixed_twice", "patched")
    + ("contrasted_extraction", "contrasted_modification"),
)
CANDIDATES = dict(smoke=100, quick=200, cpu=1_000, paper=2_000)  # of each kind, at most
CONTRASTED = dict(smoke=20, quick=100, cpu=500, paper=1_000)  # of each kind that is shifted with models, at most
STEPS = dict(smoke=5, quick=20, cpu=20, paper=20)  # of Adam, on contrasted candidates
STEP_SIZE = dict(cv=0.03, nlp=0.03, bci=2.0)  # its learning rate; EEG: microvolt; text: idle, as none is shifted
EPSILON = dict(cv=0.15, nlp=0.15, bci=10.0)  # infinity norm of their shift; EEG: microvolt; text: idle
SAMPLED = 2  # models of each origin whose responses give the direction of one step
EXTRACTION_SHARE = 0.75  # of the queries that are chosen against extraction, the harder attack; the rest: modification
STANDARDISED = dict(bci=True, other=False)  # each log-odds in deviations of held-out independent references
FOLDS = 3  # of the references, to see what stolen models that were not fitted look like

if __name__ == "__main__":
    cli.run("fingerprinting.calibrated.fitting:calibrated", globals())
