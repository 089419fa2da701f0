"""Match every suspect of the zoo against the source: who stole it, told by output correlation and match rate.

    python model_finger_match.py                # DOMAIN=cv, cpu tier
    python model_finger_match.py TIER=smoke

Needs the zoo (<domain>/*.py), primary.py and evolved.py. Writes records, tables and figures to results/ and, for the
cpu and paper tiers, the tables in README.md.
"""

from fingerprinting import matching, settings

DOMAIN = "cv"
FINGERPRINTS_USED = ("primary", "evolved")

if __name__ == "__main__":
    settings.run(matching.match, globals())
