"""The child process that opens and runs a suspect: python -m fingerprinting.asking.files in out parent.

Its network is given up before anything is imported that has threads: with them no process can leave its user's rights.
"""

import os
import sys

from fingerprinting.asking.files import lock

if __name__ == "__main__":
    given, sent, parent = map(int, sys.argv[1:])
    lock.with_parent(parent)
    closed = lock.network()
    from fingerprinting.asking.files import child

    child.main(os.fdopen(given, "rb"), os.fdopen(sent, "wb"), closed)
