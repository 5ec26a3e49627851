"""The MMG estimator as it was published: its network, training and evaluation.

May import what `estimators` may.
"""
