"""DeepCore (Sun, Zhang, Li 2024): a point per class deep inside the source's region, where stolen models agree with it.

    python deepcore.py                          # DOMAIN=cv, cpu tier
    python deepcore.py DOMAIN=bci POINTS=5

Needs the models (<domain>/*.py); of references.py's, where that was run, it makes clusterings of an owner's own. Writes
the fingerprint to data/artifacts/, records, tables and figures to results/; model_finger_match.py scores it beside the
others. Text has no points between tokens: it is left out.
"""

from fingerprinting import cli

DOMAIN = "cv"
START = "examples"  # where a point begins: a random example of its class, or `noise`
POINTS = 1  # of each class
STEPS = 300  # of gradient descent on -log p, at most
STEP_SIZE = dict(cv=1.0, nlp=None, bci=1000.0)  # theta; the gradient is per pixel in [0, 1], or per microvolt
RADIUS_EVERY = 25  # steps between two measurements of the radius
TOLERANCE = dict(cv=0.01, nlp=None, bci=3.0)  # gamma: a radius that changes less has settled; L2, pixels or microvolt
OVERSHOOT = 0.02  # how far behind the boundary DeepFool steps
BOUNDARY_STEPS = 50  # of DeepFool at most
LENGTHS = (0, 25, 50, 100, 200, 300)  # steps after which the points are kept, to see what training them longer brings
CLUSTERS = 3  # of models: copies, extractions, independents

if __name__ == "__main__":
    cli.run("fingerprinting.deepcore.identification:deepcore", globals(), report="fingerprinting.reports.show:deepcore")
