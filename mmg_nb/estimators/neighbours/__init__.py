"""Estimates from nearest neighbours, and from counts where every value is a category.

May import what `estimators` may, but loads no torch.
"""
