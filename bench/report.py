"""The results as a table, and the page that keeps them. Pure but for the one file it rewrites."""

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- results: written by scripts/bench --write -->", "<!-- end of results -->"


def figure(value: float | None, unit: str) -> str:
    """A cell: milliseconds, seconds or megabytes, three digits."""
    if value is None:
        return "–"
    if unit == "MB":
        return f"{value / 1e6:.0f} MB"
    return f"{value * 1000:.{0 if value >= 0.1 else 1}f} ms" if value < 1 else f"{value:.2f} s"


def table(report: dict[str, Any]) -> str:
    """The markdown table: a row a measurement, with the ratio and whether it is within what is allowed."""
    lines = ["| work | dockerd | havre | ratio | at most |", "|---|---:|---:|---:|---:|"]
    for row in report["rows"]:
        ours, theirs = row["medians"].get("havre"), row["medians"].get("dockerd")
        ratio = f"{ours / theirs:.2f}" if ours is not None and theirs else "–"
        mark = " ✗" if ratio != "–" and float(ratio) > row["limit"] else ""
        cells = (
            row["title"],
            figure(theirs, row["unit"]),
            figure(ours, row["unit"]),
            ratio + mark,
            f"{row['limit']:.2f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


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
