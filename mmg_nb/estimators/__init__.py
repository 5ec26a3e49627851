"""Estimators of mutual information, a folder a family, and the registry that names them.

May import everything below: data, results, runs, nets, denoisers, mmse and training.
"""
