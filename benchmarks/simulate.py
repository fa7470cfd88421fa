"""How long rows from rules take: python benchmarks/simulate.py [ROWS].

Twelve columns of all kinds, with a correlation and conditions that every row meets. No data is read.
"""

from __future__ import annotations

import resource
import sys
import time

from dpsynth import Rules

RULES = {
    "name": "orders",
    "columns": [
        {"name": "order", "kind": "key", "pattern": "O-########"},
        {"name": "region", "kind": "category", "categories": {"north": 5, "south": 3, "west": 2}},
        {"name": "size", "kind": "category", "categories": ["small", "medium", "large"], "ordered": True},
        {
            "name": "channel",
            "kind": "category",
            "categories": ["web", "shop"],
            "given": {"columns": ["region"], "cases": [{"values": ["west"], "weights": [9, 1]}]},
        },
        {
            "name": "quantity",
            "kind": "number",
            "distribution": {"name": "poisson", "mu": 3},
            "minimum": 1,
            "maximum": 20,
        },
        {
            "name": "unit_price",
            "kind": "number",
            "distribution": {"name": "lognorm", "s": 0.6, "scale": 20},
            "minimum": 1,
            "maximum": 500,
            "decimals": 2,
        },
        {"name": "sales", "kind": "derived", "formula": "unit_price * quantity"},
        {"name": "bulk", "kind": "derived", "formula": 'where(quantity >= 10, "bulk", size)'},
        {"name": "ordered", "kind": "date", "minimum": "2024-01-01", "maximum": "2024-12-31"},
        {
            "name": "shipped",
            "kind": "delay",
            "start": "ordered",
            "days": {"name": "gamma", "a": 2, "scale": 1.5},
            "maximum": 30,
            "business_days": True,
        },
        {"name": "phone", "kind": "text", "pattern": "+49-[13]##-####"},
        {"name": "score", "kind": "number", "minimum": 0, "maximum": 100},
    ],
    "correlation": {"columns": ["quantity", "unit_price"], "matrix": [[1, -0.4], [-0.4, 1]]},
    "constraints": ["sales <= 3000", 'implies(size == "large", quantity >= 2)', "ordered <= shipped"],
}


def main(rows: int) -> None:
    rules = Rules.from_json(RULES)
    start, begun = time.perf_counter(), time.process_time()
    table = rules.simulate(rows, seed=0)
    seconds, work = time.perf_counter() - start, time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    shape = " x ".join(f"{size:,}" for size in table.frame.shape)
    print(f"{shape}: {seconds:.1f} s ({work:.1f} s of work), peak {peak:,.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
