"""The peers' fingerprints: the same budget of queries, the same zoo.

    python baselines.py                         # all peers that suit the domain
    python baselines.py METHOD=sac_m DOMAIN=bci

Needs <domain>/source.py, and <domain>/references.py for the peers that look at other models than the source. Writes
fingerprints to data/artifacts/, their records to results/records/.
"""

from fingerprinting import peers, settings

DOMAIN = "cv"
METHOD = "all"
N = dict(smoke=20, quick=100, cpu=100, paper=100)  # queries, unless the method fixes them

if __name__ == "__main__":
    settings.run(peers.baselines, globals())
