"""Estimates in closed form for Gaussian data and Gaussian copulas.

May import what `estimators` may, but loads no torch.
"""
