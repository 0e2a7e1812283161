"""Numbers as people read them; every table and chart writes them the same way."""

from reports.stats import Estimate

NONE = "—"


def number(value: float) -> str:
    """Three significant digits, two below a hundredth: 0.0012, 0.0123, 1.23, 12.3, 1234."""
    if value == 0:
        return "0"
    magnitude = abs(value)
    if magnitude >= 100:
        return f"{value:.0f}"
    if magnitude >= 10:
        return f"{value:.1f}"
    if magnitude >= 1:
        return f"{value:.2f}"
    return f"{value:.3g}" if magnitude >= 0.01 else f"{value:.2g}"


def interval(estimate: Estimate | None) -> str:
    """`12.1–12.6`."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return NONE
    return f"{number(estimate.low)}–{number(estimate.high)}"


def with_interval(estimate: Estimate | None, suffix: str = "") -> str:
    """`12.3 [12.1, 12.6]`, the interval left out where there are too few launches for one."""
    if estimate is None:
        return NONE
    value = number(estimate.value) + suffix
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{number(estimate.low)}, {number(estimate.high)}]"


def verdict(speedup: Estimate | None) -> str:
    """In one word what the interval of a speed-up allows to say."""
    if speedup is None or speedup.low is None or speedup.high is None:
        return ""
    if speedup.low > 1:
        return "faster"
    return "slower" if speedup.high < 1 else "no difference"


def count(value: int | None) -> str:
    return NONE if value is None else str(value)


def megabytes(size: int | None) -> str:
    if size is None:
        return NONE
    return number(round(size / 1e6, 2)) if size >= 10_000 else "<0.01"


def error(value: float | None) -> str:
    if value is None:
        return NONE
    return "exact" if value == 0 else f"{value:.1e}"


def plural(n: int, word: str, several: str | None = None) -> str:
    return f"{n} {word if n == 1 else several or word + 's'}"


def launches_of(counts: list[int]) -> str:
    """`12 launches each`, `9 to 12 launches each`."""
    if not counts:
        return "no launch"
    low, high = min(counts), max(counts)
    return f"{plural(high, 'launch', 'launches')} each" if low == high else f"{low} to {high} launches each"
