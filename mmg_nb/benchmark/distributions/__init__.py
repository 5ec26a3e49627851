"""Joint distributions of (x, y) with exact mutual information.

One file per kind. Every class satisfies `mmg_nb.benchmark.tasks.JointDistribution`.
"""
