"""Post-processing on graphs of columns: consistent counts, trees, exact conditioning and sampling.

Nothing here touches data: the inputs are noisy answers that were paid for, and the public schema.
"""

from __future__ import annotations

from dpsynth.graphical.estimation import clean_margin, fit_pair, ordered_cells
from dpsynth.graphical.spanning_tree import UnionFind, rooted_order
from dpsynth.graphical.tree import TreeModel

__all__ = ["TreeModel", "UnionFind", "clean_margin", "fit_pair", "ordered_cells", "rooted_order"]
