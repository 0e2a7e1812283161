"""The words below a table or a chart: what its figures are, how many launches they rest on, and what to doubt."""

from collections.abc import Iterable, Sequence

from reports import figures
from reports.cells import forecast, took
from reports.stats import FEWEST_FOR_INTERVAL
from reports.summary import Group, Row

NOISY_MARK = "~"


def caption(
    group: Group, interval: str = "in brackets", noisy: str = NOISY_MARK, columns: bool = True
) -> str:
    """What the figures of a group are and how many launches they rest on, one sentence or two a line.

    Args:
        group: The group.
        interval: Where the reader finds the interval of a figure.
        noisy: How a noisy cell is marked.
        columns: Whether the reader sees the columns of a table, whose headings are explained.
    """
    lines = [_quantity(group, interval)] if any(row.latency for row in group.rows) else []
    if group.software_gpu:
        lines.append(
            "The processor imitates the GPU: nodes taken and outputs are those of a GPU, the times are not, "
            "and are compared with nothing."
        )
    if any(row.sustained is not None for row in group.rows):
        lines.append(_sustained(group))
    if any(row.speedup for row in group.rows):
        how = (
            "ratio of the counts"
            if group.emulated
            else "median of the ratios within the rounds, which hardly feels a drift that both share"
        )
        lines.append(f"Speed-up over {group.baseline}: {how}; above 1 is faster.")
    if any(row.noise for row in group.rows):
        lines.append(f"{noisy} is noisy: a figure that may be off, and a speed-up that proves nothing.")
    lines.append(
        "Only files whose output on the device agrees with PyTorch have a speed "
        "(error: max|difference| / max|reference|)."
    )
    if group.reduced:
        lines += _reduced(group.rows, columns and not group.software_gpu)
    if group.emulated:
        lines.append(
            "Emulated: executed instructions, not time; caches and memory bandwidth do not count. "
            "Not to be compared with figures of real devices."
        )
    lines.append(_weights(group.rows))
    return "\n".join(lines)


def _quantity(group: Group, interval: str) -> str:
    estimates = [row.latency for row in group.rows if row.latency]
    launches = figures.launches_of([estimate.n for estimate in estimates])
    if group.emulated:
        return f"{group.quantity} in {group.unit}: of the first launch; others only repeat it ({launches})."
    words = (
        f"{group.quantity} in {group.unit}: median of the launches' medians, {launches}, one process a launch, "
        "rounds in random order; "
    )
    missing = max(estimate.missing for estimate in estimates)
    takes = f"takes {FEWEST_FOR_INTERVAL} launches, {missing} more than here"
    if all(estimate.missing for estimate in estimates):
        return f"{words}no interval, which {takes}."
    words += f"{interval} the 95 % interval over launches"
    return f"{words}, which {takes} where it is missing." if missing else f"{words}."


def _reduced(rows: Sequence[Row], columns: bool) -> list[str]:
    """What stands beside files of another precision than float32."""
    lines = (
        ["Of fp32: what the file takes of what the same converter's float32 file takes."] if columns else []
    )
    judged = [row.accuracy for row in rows if row.accuracy and row.accuracy.min_alike is not None]
    counts = sorted({each.alike_samples for each in judged if each.alike_samples})
    if judged and counts:
        lines.append(
            f"{'Alike: of' if columns else 'Of'} {' or '.join(map(str, counts))} samples that the file was not calibrated "
            "on, how many come out as PyTorch's (a classifier's with the same class first, others with an SNR of 20 dB). "
            f"By this, not by the error, files with integers are judged: less than {judged[0].min_alike:.0%} is wrong."
        )
    return lines


def _sustained(group: Group) -> str:
    counts = [row.sustained_launches for row in group.rows if row.sustained is not None]
    return (
        f"Sustained: median of the last third of a run of all cells in turns, without a pause "
        f"({figures.launches_of(counts)}), and its ratio to the figure of the rounds."
    )


def failures(group: Group) -> list[str]:
    """Why cells have no figure: a line for each reason, with the cells that share it."""
    return _shared((row, row.reason) for row in group.rows)


def doubts(group: Group) -> list[str]:
    """What was noisy, and which older figures are hidden: a line for each reason, with the cells that share it."""
    noisy = _shared((row, f"noisy: {'; '.join(row.noise)}" if row.noise else None) for row in group.rows)
    return noisy + _shared((row, row.hidden) for row in group.rows)


def undelegated(group: Group, with_forecasts: bool = False) -> list[str]:
    """What the delegate did not take: a line for each kind of answer, with the files that share it.

    Args:
        group: The cells.
        with_forecasts: Whether what was taken as forecast is said, too, for a reader who has no column of it.
    """
    return _shared(
        (row, _left(group.delegate, row) or (_foreseen(row) if with_forecasts else None))
        for row in group.rows
    )


def _foreseen(row: Row) -> str | None:
    if row.forecast is None or row.delegation is None:
        return None
    return f"{row.cell.delegate} took {took(row.delegation)}{forecast(row)}{_no_forecast(row)}"


def _no_forecast(row: Row) -> str:
    """Why there is none, behind the words that say so."""
    return f": {row.forecast.error}" if row.forecast is not None and row.forecast.error else ""


def _left(delegate: str, row: Row) -> str | None:
    delegation = row.delegation
    unforeseen = row.as_forecast is False or _no_forecast(row)
    if delegation is None or (not delegation.left and not unforeseen):
        return None
    words = f"{delegate} took {took(delegation)}{forecast(row)}{_no_forecast(row)}"
    if not delegation.left:
        return words
    reasons = "; ".join(dict.fromkeys(delegation.left))
    if delegation.refused_at_most is None:
        return f"{words}, and left: {reasons}"
    refused = f"{words}; at most {delegation.refused_at_most} refused ({reasons})"
    if delegation.total_nodes is None or delegation.delegated_nodes is None:
        return refused
    others = delegation.total_nodes - delegation.delegated_nodes - delegation.refused_at_most
    return f"{refused}, the rest supported but outside the partitions" if others > 0 else refused


def _shared(said: Iterable[tuple[Row, str | None]]) -> list[str]:
    """`a, nobuco; b, nobuco and onnx-tf: words`, so that no reason is read twice."""
    cells: dict[str, dict[str, list[str]]] = {}
    for row, words in said:
        if words is not None:
            cells.setdefault(words, {}).setdefault(row.cell.model, []).append(row.cell.label)
    return [
        f"{'; '.join(f'{model}, {_and(converters)}' for model, converters in models.items())}: {words}"
        for words, models in cells.items()
    ]


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _weights(rows: Sequence[Row]) -> str:
    words = {
        "random": "random, seed {}",
        "taught": "random, seed {}, the last layer fitted to tell 100 seeded scenes apart",
        "default": "trained",
        "own": "the model file's own",
    }
    kinds = dict.fromkeys(
        words.get(row.provenance.weights, row.provenance.weights).format(row.provenance.seed)
        for row in rows
        if row.provenance.weights != "none"
    )
    without = dict.fromkeys(row.cell.model for row in rows if row.provenance.weights == "none")
    have = f"{_and(list(without))} {'has' if len(without) == 1 else 'have'} none" if without else ""
    return f"Weights: {'; '.join(filter(None, (*kinds, have)))}."
