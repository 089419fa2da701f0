"""The peers' fingerprints: the same budget of queries, the same zoo.

    python baselines.py                         # all peers that suit the domain
    python baselines.py METHOD=sac_m DOMAIN=bci

Needs <domain>/source.py, and <domain>/references.py for the peers that look at other models than the source. Writes
fingerprints to data/artifacts/, their records to results/records/.
"""

from fingerprinting import cli
from fingerprinting.fingerprints import baselines

DOMAIN = "cv"
METHOD = dict(smoke="all", quick="cheap", cpu="all", paper="all")  # all, cheap or one of them
N = dict(smoke=20, quick=100, cpu=100, paper=100)  # queries, unless the method fixes them
IPGUARD_STEPS = dict(smoke=50, quick=300, cpu=300, paper=1_000)  # of Adam, at most; 1000 in the paper
IPGUARD_LEARNING_RATE = dict(cv=dict(smoke=0.01, quick=5e-3, cpu=5e-3, paper=1e-3), bci=0.5)  # EEG: microvolt
IPGUARD_MARGIN = dict(cv=dict(smoke=2.0, quick=2.0, cpu=2.0, paper=10.0), bci=2.0)  # k: how far behind the boundary
CAE_CANDIDATES = 1.5  # moved examples per query kept
CAE_STEPS = dict(cv=dict(smoke=10, quick=30, cpu=30, paper=300), bci=dict(smoke=5, quick=15, cpu=15, paper=300))
CAE_LEARNING_RATE = dict(cv=dict(smoke=0.01, quick=0.01, cpu=0.01, paper=5e-4), bci=1.0)  # of Adam; EEG: microvolt
CAE_EPSILON = dict(cv=dict(smoke=0.1, quick=0.1, cpu=0.1, paper=0.025), bci=10.0)  # infinity norm; EEG: microvolt
CAE_DROPOUT = 0.3  # of the surrogates' and independents' logits (section 4)
CAE_SAMPLED = dict(smoke=2, quick=2, cpu=2, paper=8)  # models of each role per update
ADV_TRA_CANDIDATES = 2  # starts per trajectory kept
ADV_TRA_CLASSES = 4  # that a trajectory passes, its own included
ADV_TRA_LENGTH = dict(smoke=6, quick=8, cpu=8, paper=8)  # steps to each class, half of them before its boundary
ADV_TRA_STEP = dict(cv=0.01, bci=1.0)  # first guess of the longest step, which is then fitted; EEG: microvolt
ADV_TRA_DECAY = 0.9  # of the steps towards a boundary (released code)
ADV_TRA_ROUNDS = 15  # of fitting the steps
MODELDIFF_STEPS = dict(smoke=10, quick=20, cpu=20, paper=100)  # up the score's gradient
MODELDIFF_EPSILON = dict(cv=0.2, bci=10.0)  # infinity norm of x' - x (0.2 in the released code); EEG: microvolt
FUAP_XI = dict(
    cv=dict(smoke=0.1, quick=0.1, cpu=0.1, paper=10 / 255), bci=10.0
)  # infinity norm of the perturbation (10/255: Moosavi-Dezfooli et al. 2017); EEG: microvolt
FUAP_FOOLED = 0.8  # share of inputs whose label it is to change (Moosavi-Dezfooli et al. 2017)
FUAP_POINTS = dict(smoke=100, quick=500, cpu=500, paper=2_000)  # owner's examples it is made of
FUAP_STEPS = dict(smoke=5, quick=10, cpu=10, paper=50)  # at most
FUAP_NEAREST = 3  # classes to whose boundary the way is measured, the most probable ones
FUAP_VIEWS = dict(smoke=2, quick=8, cpu=8, paper=20)  # other anchors per cluster on which the encoder learns
FUAP_HIDDEN = 64  # units of the encoder
FUAP_CODE = 16  # its outputs
FUAP_TEMPERATURE = 0.1  # of the contrastive loss
FUAP_EPOCHS = dict(smoke=30, quick=100, cpu=100, paper=200)  # of the encoder
FUAP_LEARNING_RATE = 1e-3  # of the encoder
METAFINGER_CANDIDATES = 1.5  # optimised inputs per query kept
METAFINGER_STEPS = dict(smoke=5, quick=40, cpu=40, paper=500)  # updates of the inputs
METAFINGER_LEARNING_RATE = dict(
    cv=dict(smoke=0.03, quick=0.03, cpu=0.03, paper=0.01), bci=1.5
)  # of Adam (released code: 0.01 and 0.04, many more updates); EEG: microvolt
METAFINGER_ALPHA = 1.0  # weight of the independents' term
METAFINGER_SAMPLED = dict(smoke=2, quick=2, cpu=2, paper=3)  # models of each role per update (released code: 3)
METAFINGER_NOISE = dict(cv=0.05, bci=2.5)  # deviation of the noise among the transforms; EEG: microvolt
IRISFP_VIEWS = 5  # inputs per fingerprint
IRISFP_CANDIDATES = 10.0  # points per fingerprint kept
IRISFP_MARGIN = 0.3  # by how much the target class is more probable than an even share
IRISFP_STEPS = dict(smoke=10, quick=100, cpu=100, paper=500)  # of Adam, towards the meeting point
IRISFP_LEARNING_RATE = dict(cv=0.03, bci=1.5)  # of Adam; EEG: microvolt
IRISFP_RADIUS = dict(cv=0.1, bci=5.0)  # infinity norm of the views' noise; EEG: microvolt
DATASET_INFERENCE_POINTS = dict(smoke=10, quick=200, cpu=200, paper=50)  # of each part in the sample, at most half
DATASET_INFERENCE_FITTED = dict(smoke=20, quick=1_000, cpu=1_000, paper=500)  # of each part for the regressor
DATASET_INFERENCE_DIRECTIONS = dict(smoke=1, quick=1, cpu=1, paper=10)  # of each of three kinds of noise (paper: 10)
DATASET_INFERENCE_STEPS = dict(smoke=5, quick=5, cpu=5, paper=50)  # of a walk
DATASET_INFERENCE_STEP = dict(
    cv=dict(smoke=0.05, quick=0.05, cpu=0.05, paper=0.005), bci=dict(smoke=2.5, quick=2.5, cpu=2.5, paper=0.25)
)  # scale of a step's noise: the same length of walk in every tier; EEG: microvolt
DATASET_INFERENCE_HIDDEN = 100  # units of the regressor (released code)
DATASET_INFERENCE_EPOCHS = 1_000  # of the regressor (released code)
DATASET_INFERENCE_LEARNING_RATE = 0.1  # of the regressor (released code)

if __name__ == "__main__":
    cli.run(baselines.baselines, globals())
