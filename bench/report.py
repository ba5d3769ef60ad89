"""The results as a table, and the page that keeps them. Pure but for the one file it rewrites."""

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- results: written by scripts/bench --write -->", "<!-- end of results -->"


def figure(value: float | None, unit: str) -> str:
    """A cell: time, megabytes or a part of a whole, in two or three digits."""
    if value is None:
        return "–"
    if unit == "MB":
        return f"{value / 1e6:.0f} MB"
    if unit == "%":
        return f"{value:.0%}"
    if value < 0.0001:
        return f"{value * 1e6:.0f} µs"
    return f"{value * 1000:.{0 if value >= 0.1 else 1}f} ms" if value < 1 else f"{value:.2f} s"


def table(report: dict[str, Any]) -> str:
    """The markdown: a table for each pair that was compared, a row a measurement."""
    pairs = {tuple(row["pair"]): None for row in report["rows"]}
    return "\n\n".join(
        "\n".join(
            (
                f"| work | {theirs} | {ours} | ratio | at most |",
                "|---|---:|---:|---:|---:|",
                *(_line(row, ours, theirs) for row in report["rows"] if tuple(row["pair"]) == (ours, theirs)),
            )
        )
        for ours, theirs in pairs
    )


def _line(row: dict[str, Any], ours: str, theirs: str) -> str:
    """With the ratio, and a mark if the figure is above what is allowed."""
    own, other = row["medians"].get(ours), row["medians"].get(theirs)
    ratio = own / other if own is not None and other else None
    measure, limit = (own, figure(row["limit"], row["unit"])) if row["absolute"] else (ratio, f"{row['limit']:.2f}")
    above = measure is not None and round(measure, 2) > row["limit"]
    cells = (
        row["title"],
        figure(other, row["unit"]),
        figure(own, row["unit"]),
        ("–" if ratio is None else f"{ratio:.2f}") + (" ✗" if above else ""),
        limit,
    )
    return "| " + " | ".join(cells) + " |"


def update(page: Path, report: dict[str, Any]) -> None:
    """Put the table and the machine between the page's two marks."""
    machine = report["machine"]
    engines = ", ".join(f"{name} {version}" for name, version in report["engines"].items())
    said = (
        f"Measured {machine['date']} on {machine['cpu']}, {machine['memory']}, {machine['system']}, "
        f"kernel {machine['kernel']}, Python {machine['python']}, {machine['runc']}. "
        f"Engines: {engines}. Client: {report['client']}. Medians."
    )
    text = page.read_text()
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    page.write_text(f"{head}{BEGIN}\n\n{said}\n\n{table(report)}\n\n{END}{tail}")
