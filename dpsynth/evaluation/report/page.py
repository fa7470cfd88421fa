"""The frame of a page: one file, no script, nothing fetched, light and dark, fit for paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["page", "section", "table"]

_SCALE_LIGHT = (
    "#eef4fb",
    "#d6e6f5",
    "#b5d2ec",
    "#8ab8de",
    "#5b9bcf",
    "#2f7fbd",
    "#0072b2",
    "#8a5a2b",
    "#d55e00",
)
_SCALE_DARK = (
    "#16222e",
    "#1b3247",
    "#20435f",
    "#27577b",
    "#2f6c98",
    "#3b84b6",
    "#56a0d3",
    "#c98a4b",
    "#f08c3a",
)


def _colours(scale: Sequence[str]) -> str:
    return "".join(f".s{i}{{fill:{colour}}}" for i, colour in enumerate(scale))


_STYLE = (
    ":root{--ink:#1c2430;--soft:#5a6675;--paper:#fff;--line:#d7dde5;--mark:#0072b2;--warn:#b3420a;--calm:#f5f7fa}"
    "body{margin:0 auto;max-width:62rem;padding:1.5rem;background:var(--paper);color:var(--ink);"
    "font:16px/1.5 system-ui,sans-serif}"
    "h1{font-size:1.7rem;margin:.2em 0}"
    "h2{font-size:1.25rem;margin:2em 0 .4em;border-bottom:1px solid var(--line)}"
    "h3{font-size:1rem;margin:1.4em 0 .3em}p{max-width:44rem}"
    ".banner{background:var(--warn);color:#fff;padding:.6rem 1rem;font-weight:600;border-radius:4px}"
    ".banner.open{background:var(--mark)}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}"
    "caption{text-align:left;color:var(--soft);padding:.3em 0}"
    "th,td{text-align:left;padding:.35em .6em;border-bottom:1px solid var(--line);vertical-align:top}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".note{color:var(--soft);font-size:.85rem;display:block;min-width:16rem}"
    "svg.scale{min-width:120px}.findings li{margin:.4em 0}"
    "svg{max-width:100%;height:auto}svg text{fill:var(--ink);font:11px system-ui,sans-serif}"
    ".rule{stroke:var(--line);stroke-width:3}.tick{stroke:var(--soft);stroke-width:2}"
    ".mark{fill:var(--mark)}.bar{fill:var(--mark)}"
    "details{margin:.5em 0}summary{cursor:pointer;color:var(--mark)}"
    "code{background:var(--calm);padding:.1em .3em;border-radius:3px}"
)
_DARK = (
    "--ink:#e6ebf2;--soft:#a3afbe;--paper:#11161d;--line:#2b3440;--mark:#56a0d3;--warn:#a63c08;--calm:#1a212b"
)


def page(title: str, *, banner: str, open_to_all: bool, body: Iterable[str]) -> str:
    """A whole page.

    Args:
        title: In the window and at the top.
        banner: Who may read it.
        open_to_all: Whether that is everybody.
        body: Sections.
    """
    kind = "banner open" if open_to_all else "banner"
    style = (
        f"{_STYLE}{_colours(_SCALE_LIGHT)}"
        f"@media (prefers-color-scheme:dark){{:root{{{_DARK}}}{_colours(_SCALE_DARK)}}}"
        "@media print{body{max-width:none;padding:0}details{display:block}.wide{overflow:visible}}"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        f'<body><p class="{kind}">{escape(banner)}</p>\n<h1>{escape(title)}</h1>\n'
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A titled part of a page; nothing if it is empty."""
    filled = [part for part in parts if part]
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(filled) + "</section>" if filled else ""


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, numbers: Sequence[int] = ()
) -> str:
    """A table of cells that are HTML already.

    Args:
        head: Plain texts.
        rows: Cells.
        caption: What the table shows, for everybody and for those who hear it.
        numbers: Columns that hold numbers.
    """

    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = [' class="n"' if i in numbers else "" for i in range(len(row))]
        scope = ' scope="col"' if tag == "th" else ""
        return "".join(f"<{tag}{scope}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    lines = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>'
        f"{cells('th', [escape(name) for name in head])}</tr></thead><tbody>\n{lines}\n</tbody></table></div>"
    )
