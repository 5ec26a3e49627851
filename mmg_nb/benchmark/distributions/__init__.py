"""Joint distributions of (x, y) whose mutual information is known exactly.

One file per kind; every class satisfies `mmg_nb.benchmark.tasks.JointDistribution`.
"""
