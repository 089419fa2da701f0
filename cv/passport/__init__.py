"""DeepIPR (Fan et al. 2019, 2021): ownership proved by passports inside a network, and the attacks on them."""
