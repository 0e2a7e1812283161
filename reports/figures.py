"""Figures as readers see them, the same in every table and chart. None is a dash."""

from reports.stats import REPEATABLE, Estimate

NONE = "—"


def number(value: float | None) -> str:
    """Three significant digits, two below a hundredth: 0.0012, 0.0123, 1.23, 12.3, 1234."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    magnitude = abs(value)
    if magnitude >= 100:
        return f"{value:.0f}"
    if magnitude >= 10:
        return f"{value:.1f}"
    if magnitude >= 1:
        return f"{value:.2f}"
    return f"{value:#.3g}" if magnitude >= 0.01 else f"{value:.2g}"


def interval(estimate: Estimate | None) -> str:
    """`12.1–12.6`; a dash where there are too few launches for one."""
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
    """What the interval of a speed-up supports: "faster", "slower", "no difference", or nothing without one."""
    if speedup is None:
        return ""
    if speedup.exact:
        if abs(speedup.value - 1) <= REPEATABLE:
            return "no difference"
        return "faster" if speedup.value > 1 else "slower"
    if speedup.low is None or speedup.high is None:
        return ""
    if speedup.low > 1:
        return "faster"
    return "slower" if speedup.high < 1 else "no difference"


def text(value: str | None) -> str:
    """The words themselves."""
    return NONE if value is None else value


def plain(value: object) -> str:
    """A value of a kind that nobody has a format for."""
    if value is None:
        return NONE
    return number(value) if isinstance(value, float) else str(value)


def count(value: int | None) -> str:
    """All digits."""
    return NONE if value is None else str(value)


def megabytes(size: int | None) -> str:
    """A size in bytes in megabytes, `<0.01` below ten thousand bytes."""
    if size is None:
        return NONE
    if size < 10_000:
        return "<0.01"
    return f"{size / 1e6:.2f}" if size < 1_000_000 else number(size / 1e6)


def error(value: float | None) -> str:
    """An error against PyTorch: `1.2e-06`, or `exact`."""
    if value is None:
        return NONE
    return "exact" if value == 0 else f"{value:.1e}"


def plural(n: int, word: str, several: str | None = None) -> str:
    """`1 thread`, `2 threads`; `several` is the plural where it does not end in a mere s."""
    return f"{n} {word if n == 1 else several or word + 's'}"


def launches_of(counts: list[int]) -> str:
    """`12 launches each`, `9 to 12 launches each`."""
    if not counts:
        return "no launch"
    low, high = min(counts), max(counts)
    return f"{plural(high, 'launch', 'launches')} each" if low == high else f"{low} to {high} launches each"
