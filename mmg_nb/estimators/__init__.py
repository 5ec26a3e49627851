"""Estimators of mutual information, one folder per family, and the registry of their names.

May import all lower packages: data, results, runs, nets, denoisers, mmse and training.
"""
