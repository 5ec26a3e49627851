"""Estimators of mutual information, by name."""
