"""Judge a suspect from its responses: ask it, or write the queries for it; then give the verdict.

    python judge.py SUSPECT=my_module:ask      # asks a function, or a service: docs/suspects.md
    python judge.py                            # writes queries/
    python judge.py RESPONSES=responses.txt    # a class a line, in the queries' order
    python judge.py EARLY=True RESPONSES=responses.txt    # as many as it says, the first of them
    python judge.py OTHER_TASK=True ALPHA=0.05 BETA=0.17 RESPONSES=responses.txt    # other classes
    python judge.py COMMIT=True KEY=~/.ssh/id_ed25519    # before it is asked; then EVIDENCE=

Needs calibrated.py. queries/queries.npy holds the inputs as models take them (images in [0, 1],
code points, EEG in microvolt); texts stand in queries.txt too. The verdict is printed, and written
to queries/verdict.json and, as a page to read and to print, to queries/report.html.
"""

from fingerprinting import cli

DOMAIN = "cv"
QUERIES = "queries"  # folder
RESPONSES = ""  # file; empty: write the queries
SUSPECT = ""  # an address, my_api.json, my_module:ask, a model's file or responses; empty: nobody
INPUT = ""  # name of the suspect's input; empty: its only one
OUTPUT = ""  # name of the output that is read; empty: the first
MODEL = ""  # of safetensors: an architecture's name, torchvision:name or my_package.net:build
TRUST = False  # whether files are opened that can run code then: TorchScript and .pt2
BATCH = 0  # queries in a request; 0: as many as are usual for that kind of suspect
RATE = 0.0  # requests a second at most; 0: no limit
TIMEOUT = 60.0  # seconds until a request counts as lost
ENCODING = ""  # of the queries: array, png, bytes or text; empty: as usual for the suspect
CLASSES = ""  # JSON file: what the suspect says -> the source's class; empty: it says these
BUDGET = 0  # queries sent at most, repeats among them; 0: all
DRY_RUN = False  # shows the first request and how many there are, and sends nothing
OTHER_TASK = False  # whether the suspect's classes are others than the source's
ALPHA = dict(smoke=0.2, quick=0.1, cpu=0.01, paper=0.01)  # false positive rate that a verdict may have
BETA = dict(smoke=0.2, quick=0.1, cpu=0.05, paper=0.05)  # false negative rate at which a model is cleared
EARLY = False  # whether it is asked one query after another, until a verdict; by twins alone
TAIL = "student"  # for an ALPHA below what calibration models support; conformal: none such
COMMIT = False  # fix all that a verdict rests on, before the suspect is asked
KEY = ""  # path of the SSH key that signs the commitment, and at last the journal
TSA = ""  # address of a timestamp authority (RFC 3161), which gets to see digests alone
EVIDENCE = ""  # archive to write with all that others need to verify the verdict

if __name__ == "__main__":
    cli.run("fingerprinting.reports.html.verdict:judge", globals(), brief=True)
