"""Estimates from nearest neighbours, and from counts if every column is a category.

May import what `estimators` may, but loads no torch.
"""
