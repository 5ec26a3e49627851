"""The MMG estimator as published: its network, training and evaluation.

May import what `estimators` may.
"""
