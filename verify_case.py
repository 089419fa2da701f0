"""Verify a case that somebody hands over as evidence: what was fixed, by whom, when, and the verdict that follows.

    python verify_case.py case.zip                                           # integrity only
    python verify_case.py case.zip SIGNER=allowed_signers TSA_CA=authority.pem

Needs neither the owner's weights nor data. SIGNER and TSA_CA have to come from elsewhere than the case: the owner's
public SSH key with its name, and the timestamp authority's certificates. Exit status 2 where anything does not hold.
"""

from fingerprinting import cli

CASE = "case.zip"  # what judge.py EVIDENCE= wrote
SIGNER = ""  # file of allowed signers, a line each: name key-type key; empty: nobody is taken for the signer
TSA_CA = ""  # file of certificates in PEM; empty: no authority is believed

if __name__ == "__main__":
    cli.run_alone("fingerprinting.judging.verification:verify", globals(), "CASE")
