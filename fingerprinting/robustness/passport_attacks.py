"""The table of attacks on networks with passports; cv/passport/attacks.py runs each by the function of its name."""

# Attack -> what share it sweeps, where it is a sweep; in the order of all tables.
ATTACKS = {
    "none": "",  # the owner's passports, for comparison
    "fake1": "",
    "fake1_noise": "",
    "fake2": "",
    "fake2_published": "",
    "fake3": "",
    "fake3_published": "",
    "residual_block": "",
    "solve": "",
    "fine_tune": "",
    "flip": "share of signs flipped",
    "prune": "share of weights pruned",
    "prune_global": "share of weights pruned, one threshold",
}
SWEEPS = {attack: share for attack, share in ATTACKS.items() if share}
