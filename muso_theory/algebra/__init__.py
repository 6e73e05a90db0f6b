"""Typed free algebra over the rationals: certificates that hold in every dimension."""
