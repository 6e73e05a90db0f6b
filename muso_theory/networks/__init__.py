"""Numpy-only networks, their derivatives and their tangent kernels."""
