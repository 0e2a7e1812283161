"""The words below a table or a chart: what its figures are, and how many launches they rest on."""

from collections.abc import Sequence

from reports import figures
from reports.columns import delegated
from reports.summary import Group, Row


def caption(group: Group, interval: str = "in brackets") -> str:
    """What the figures of a group are and how many launches they rest on, one sentence or two a line.

    Args:
        group: The group.
        interval: Where the reader finds the interval of a figure.
    """
    measured = [row.latency.n for row in group.rows if row.latency]
    lines = []
    if measured:
        lines.append(
            f"{group.quantity} in {group.unit}: median of the launches' medians, {figures.launches_of(measured)}, "
            f"one process a launch, rounds in random order; {interval} the 95 % bootstrap interval over launches."
        )
    if group.software_gpu:
        lines.append(
            "The processor imitates the GPU: nodes taken and outputs are those of a GPU, the times are not, "
            "and are compared with nothing."
        )
    if any(row.speedup for row in group.rows):
        lines.append(
            f"Speed-up over {group.baseline}: ratio of medians, paired within the rounds; above 1 is faster."
        )
    lines.append(
        "Only files whose output on the device agrees with PyTorch have a speed "
        "(error: max|difference| / max|reference|)."
    )
    if group.emulated:
        lines.append(
            "Emulated: executed instructions, not time; caches and memory bandwidth do not count. "
            "Not to be compared with figures of real devices."
        )
    lines.append(_weights(group.rows))
    return "\n".join(lines)


def undelegated(group: Group) -> list[str]:
    """What the delegate did not take: a line for each file of which it left nodes."""
    return [
        f"{row.cell.model}, {row.cell.converter}: {group.delegate} took {delegated(row.delegation)}, "
        f"and left: {'; '.join(row.delegation.left)}"
        for row in group.rows
        if row.delegation and row.delegation.left
    ]


def _weights(rows: Sequence[Row]) -> str:
    words = {"random": "random, seed {}", "default": "trained", "own": "the model file's own", "none": "none"}
    kinds = dict.fromkeys(
        words.get(row.provenance.weights, row.provenance.weights).format(row.provenance.seed) for row in rows
    )
    return f"Weights: {'; '.join(kinds)}."
