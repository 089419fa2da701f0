"""The baselines' fingerprints, with the same number of queries on the same models.

    python baselines.py                         # all baselines that suit the domain
    python baselines.py METHOD=sac_m DOMAIN=bci
    python baselines.py METHOD=ipguard IPGUARD_STEPS=50

Each method is a module, fingerprinting/fingerprints/queries/<method>.py, in which its constants stand, such as
IPGUARD_STEPS, with the published values; --help lists them all. Needs <domain>/source.py, and <domain>/references.py
for the baselines that use reference models, which are left out where it was not run. Writes fingerprints to
data/artifacts/, their records to results/records/.
"""

from fingerprinting import cli
from fingerprinting.fingerprints import constants

DOMAIN = "cv"
METHOD = dict(smoke="all", quick="cheap", cpu="all", paper="all")  # all, cheap or one of them
N = dict(smoke=20, quick=100, cpu=100, paper=100)  # queries, unless the method fixes them
CONSTANTS = constants.OF_BASELINES  # of the methods, such as IPGUARD_STEPS; `IPGUARD_STEPS = 50` here would go first

if __name__ == "__main__":
    cli.run("fingerprinting.fingerprints.baselines:baselines", globals())
