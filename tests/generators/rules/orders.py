"""Rules that use every kind of column but faker."""

from __future__ import annotations

from typing import Any


def orders() -> dict[str, Any]:
    return {
        "format": "dpsynth-rules/1",
        "name": "orders",
        "rows": 500,
        "columns": [
            {"name": "order", "kind": "key", "pattern": "O-######"},
            {"name": "region", "kind": "category", "categories": {"north": 3, "south": 1}},
            {"name": "size", "kind": "category", "categories": ["s", "m", "l"], "ordered": True},
            {"name": "stars", "kind": "category", "categories": [1, 2, 5], "missing": 0.2},
            {"name": "member", "kind": "category", "categories": [False, True], "weights": [4, 1]},
            {
                "name": "quantity",
                "kind": "number",
                "distribution": {"name": "poisson", "mu": 3},
                "minimum": 1,
                "maximum": 20,
            },
            {
                "name": "price",
                "kind": "number",
                "distribution": {"name": "lognorm", "s": 0.5, "scale": 10},
                "minimum": 1,
                "maximum": 100,
                "step": 0.05,
            },
            {
                "name": "channel",
                "kind": "category",
                "categories": ["web", "shop"],
                "given": {
                    "columns": ["region", "member"],
                    "cases": [
                        {"values": ["north", True], "weights": [0, 1]},
                        {"values": ["south", False], "weights": [1, 0]},
                    ],
                },
            },
            {
                "name": "wait",
                "kind": "number",
                "distribution": {"name": "gamma", "a": 2.0, "scale": 3.0},
                "minimum": 0,
                "maximum": 90,
                "decimals": 1,
                "given": {"columns": ["stars"], "cases": [{"values": [None], "parameters": {"scale": 9.0}}]},
            },
            {"name": "sales", "kind": "derived", "formula": "price * quantity", "maximum": 500},
            {"name": "large", "kind": "derived", "formula": "sales > 100"},
            {"name": "tier", "kind": "derived", "formula": "where(large, 'gold', size)"},
            {
                "name": "ordered",
                "kind": "date",
                "minimum": "2024-01-01",
                "maximum": "2024-12-31",
                "business_days": True,
            },
            {
                "name": "shipped",
                "kind": "delay",
                "start": "ordered",
                "days": {"name": "gamma", "a": 2, "scale": 2},
                "maximum": 20,
                "business_days": True,
                "given": {
                    "columns": ["channel"],
                    "cases": [{"values": ["shop"], "parameters": {"scale": 0.5}}],
                },
                "missing": {"share": 0.3, "when": "channel == 'web'", "otherwise": 0.01},
            },
            {"name": "due", "kind": "derived", "formula": "ordered + 30"},
            {
                "name": "seen",
                "kind": "date",
                "minimum": "2024-01-01",
                "maximum": "2024-01-02",
                "resolution": "m",
            },
            {"name": "phone", "kind": "text", "pattern": "\\#1-###-[23]?#", "missing": 0.1},
        ],
        "correlation": {
            "columns": ["quantity", "price", "size"],
            "matrix": [[1, -0.5, 0.2], [-0.5, 1, 0.3], [0.2, 0.3, 1]],
        },
        "constraints": [
            "implies(size == 'l', quantity >= 2)",
            "ordered <= shipped",
            "shipped - ordered < 20",
        ],
    }
