"""What stands in the cells of tables, and when: the texts behind `columns.COLUMNS`."""

from collections.abc import Callable
from math import isfinite
from statistics import median

from reports import figures
from reports.record import Delegation, Timing
from reports.sets import shown
from reports.stats import Estimate
from reports.summary import Group, Row


def latency(row: Row) -> str:
    if row.latency:
        return figures.number(row.latency.value)
    return "wrong" if row.wrong else "failed"


def latency_or_reason(row: Row) -> str:
    return figures.with_interval(row.latency) if row.latency else f"*{row.reason}*"


def red_without_figure(row: Row) -> str:
    return "" if row.latency else "red"


def speedup(row: Row) -> str:
    if row.is_baseline and not row.software_gpu:
        return "1x" if row.latency else figures.NONE
    return f"{figures.number(row.speedup.value)}x" if row.speedup else figures.NONE


def speedup_with_interval(row: Row) -> str:
    return figures.with_interval(row.speedup, "x") if row.speedup else speedup(row)


def times(estimate: Estimate | None) -> str:
    return f"{estimate.value:.2f}x" if estimate else figures.NONE


def verdict_style(row: Row) -> str:
    styles = {"faster": "green", "slower": "red", "no difference": "yellow", "noisy": "dim"}
    return styles.get(row.verdict, "")


def converter(row: Row) -> str:
    return f"{'~' if row.noise else ' '}{row.cell.converter}"


def noise(row: Row) -> str:
    if row.latency is None:
        return figures.NONE
    return f"noisy: {'; '.join(row.noise)}" if row.noise else row.quiet


def top1(row: Row) -> str | None:
    accuracy = row.accuracy
    if accuracy is None or accuracy.top1_rows is None:
        return None
    return f"{accuracy.top1_agreeing}/{accuracy.top1_rows}"


def _over_launches(row: Row, value: Callable[[Timing], float | None]) -> float | None:
    """The median over the launches that count, of those that have the value."""
    values = [found for timing in row.timings if (found := value(timing)) is not None]
    return median(values) if values else None


def shown_over_launches(value: Callable[[Timing], float | None]) -> Callable[[Row], float | None]:
    def of(row: Row) -> float | None:
        found = _over_launches(row, value)
        return None if found is None else shown(found)

    return of


def peak_mb(row: Row) -> float | None:
    kilobytes = _over_launches(row, lambda timing: timing.peak_rss_kb or None)
    return None if kilobytes is None else kilobytes / 1000


def sustained(row: Row) -> str:
    """`2.41 (1.05x)`: the figure, and its ratio to the one of the rounds."""
    if row.sustained is None or row.sustained_ratio is None:
        return figures.NONE
    return f"{figures.number(row.sustained)} ({figures.number(row.sustained_ratio)}x)"


def any_sustained(group: Group) -> bool:
    return any(row.sustained is not None for row in group.rows)


def times_count(group: Group) -> bool:
    return not group.software_gpu


def reduced(group: Group) -> bool:
    return group.reduced


def all_float(group: Group) -> bool:
    return not group.reduced


def times_of_reduced(group: Group) -> bool:
    return times_count(group) and reduced(group)


def speedups_of_float(group: Group) -> bool:
    return times_count(group) and all_float(group)


def alike(row: Row) -> str:
    """`98.0 %`, of a file that is not float32."""
    accuracy = row.accuracy
    return figures.NONE if accuracy is None or accuracy.alike is None else f"{100 * accuracy.alike:.0f} %"


def snr(row: Row) -> float | None:
    snr = row.accuracy.snr if row.accuracy else None
    return snr if snr is not None and isfinite(snr) else None


def times_mean_nothing(group: Group) -> bool:
    return group.software_gpu


def delegated(delegation: Delegation | None) -> str | None:
    """What the delegate took, as `5/7 nodes in 2` partitions; None where it is not known."""
    if delegation is None or delegation.total_nodes is None or delegation.delegated_nodes is None:
        return None
    partitions = f" in {delegation.partitions}" if delegation.partitions else ""
    return f"{delegation.delegated_nodes}/{delegation.total_nodes} nodes{partitions}"


def forecast(row: Row) -> str:
    """`; forecast 5 in 2`, marked where the delegate did otherwise; empty where nothing was forecast."""
    if row.forecast is None:
        return ""
    if row.forecast.error is not None:
        return "; no forecast"
    mark = "≠ " if row.as_forecast is False else ""
    return f"; {mark}forecast {row.forecast.taken} in {row.forecast.partitions}"


def foretold(row: Row, what: str) -> int | None:
    """`taken` or `partitions`; None where nothing was forecast."""
    return None if row.forecast is None or row.forecast.error is not None else getattr(row.forecast, what)


def delegated_as_forecast(row: Row) -> str:
    return f"{delegated(row.delegation) or figures.NONE}{forecast(row)}"


def shortly_delegated(row: Row) -> str:
    """`5/7 in 2; forecast 5`, where a terminal has room for no more."""
    if row.forecast is None:
        return delegated_as_forecast(row)
    return delegated_as_forecast(row).replace(" nodes", "").removesuffix(f" in {row.forecast.partitions}")


def yellow_unless_as_forecast(row: Row) -> str:
    return "yellow" if row.as_forecast is False else ""


def took(delegation: Delegation) -> str:
    """The same in words: `5 of 7 nodes in 2 partitions`."""
    if delegation.total_nodes is None or delegation.delegated_nodes is None:
        return "an unknown part"
    partitions = f" in {figures.plural(delegation.partitions, 'partition')}" if delegation.partitions else ""
    return f"{delegation.delegated_nodes} of {figures.plural(delegation.total_nodes, 'node')}{partitions}"
