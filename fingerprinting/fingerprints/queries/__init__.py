"""What to ask: each module makes the inputs of one family of fingerprints."""
