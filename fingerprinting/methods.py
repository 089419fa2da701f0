"""Every fingerprint's row of the table: importing this is importing all modules that add one."""

from fingerprinting.calibrated import representation
from fingerprinting.deepcore import core_responses
from fingerprinting.fingerprints import baselines, generate
from fingerprinting.fingerprints.registry import METHODS, ORDER, ROWS, Method, and_minus_twins, readable, shown

ADDED_BY = (generate, baselines, core_responses, representation)
__all__ = ["METHODS", "ORDER", "ROWS", "Method", "and_minus_twins", "readable", "shown"]
