"""The attacker who knows of fingerprints: queries detected, erased, evaded, and copies trained to forget."""
