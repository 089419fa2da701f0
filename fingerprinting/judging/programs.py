"""Programs of the system that sign and timestamp: run with their words kept; a sentence where one is not installed."""

import os
import shutil
import subprocess
from pathlib import Path

from fingerprinting.core.errors import UserError
from fingerprinting.core.foreign_text import shortened, visible

PACKAGES = {"ssh-keygen": "OpenSSH (Debian: openssh-client)", "openssl": "OpenSSL (Debian: openssl)"}
SHOWN = 200  # characters of its words
PATIENCE = 120  # seconds; a key's passphrase is typed within them


def run(program: str, *words: str | Path, given: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What the program said, whatever its exit status; `given` is what it reads, else nothing."""
    found = shutil.which(program)
    if found is None:
        raise UserError(f"{program} is missing; install {PACKAGES[program]} and run the same command again")
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    try:
        with open(given or os.devnull, "rb") as stdin:
            return subprocess.run(
                [found, *map(str, words)],
                stdin=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                env=environment,
                timeout=PATIENCE,
                check=False,
            )
    except subprocess.TimeoutExpired:
        raise UserError(f"{program} did not end within {PATIENCE} seconds; run the same command again") from None


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The program's own reason, for a sentence: its last line, visible and short."""
    lines = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()
    return shortened(visible(lines[-1]), SHOWN)
