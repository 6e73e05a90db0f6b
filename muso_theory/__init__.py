"""Verify, certify and try to refute exact unlearning by relabelling."""

__version__ = "0.1.0"
