"""Figures of a paper, drawn from the result files of the campaigns; nothing is computed here but places on paper."""
