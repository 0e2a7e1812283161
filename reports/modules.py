"""A profile, op by op, folded: onto the tree of the PyTorch modules, or onto the kinds of op where no module is known."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from reports import figures
from reports.record import LaunchRecord, OpTime
from reports.sets import shown


@dataclass
class ModuleCost:
    """What one module costs, with all modules within it.

    Attributes:
        path: Its path, such as `features.3`; empty for the model; None for ops that belong to no known module.
        total: The time of all ops within it, in ms or millions of instructions.
        own: The time of those ops that belong to it and to no module within it.
        share: `total` as a share of the whole profile.
        ops: How many ops there are within it.
        sources: The lines of the program that its own ops come from.
    """

    path: str | None
    total: float = 0.0
    own: float = 0.0
    share: float = 0.0
    ops: int = 0
    sources: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class KindCost:
    """What all ops of one kind cost together, in ms or millions of instructions."""

    kind: str
    ops: int
    total: float
    share: float
    delegated: bool


def names_modules(profile: Sequence[OpTime]) -> bool:
    """Whether the modules of any op are known."""
    return any(op.module_path is not None for op in profile)


def by_module(profile: Sequence[OpTime]) -> list[ModuleCost]:
    """What each module costs, the model itself first, parents before their children, in the order of the run."""
    whole = total(profile) or 1.0
    found: dict[str | None, ModuleCost] = {"": ModuleCost("")}
    for op in profile:
        for path in _and_above(op.module_path):
            cost = found.setdefault(path, ModuleCost(path))
            cost.total += shown(op.time)
            cost.ops += 1
        home = found[op.module_path]
        home.own += shown(op.time)
        if op.source is not None and op.source not in home.sources:
            home.sources.append(op.source)
    for cost in found.values():
        cost.share = cost.total / whole
    place = {path: number for number, path in enumerate(found)}
    return sorted(found.values(), key=lambda cost: [place[path] for path in _and_above(cost.path)])


def _and_above(path: str | None) -> list[str | None]:
    """The paths of the modules around a module, and its own."""
    parts = path.split(".") if path else []
    above: list[str | None] = [".".join(parts[: n + 1]) for n in range(len(parts))]
    return ["", *above] if path is not None else ["", None]


def by_kind(profile: Sequence[OpTime]) -> list[KindCost]:
    """What the ops of each kind cost, the dearest first; those of the delegate apart from the runtime's own."""
    whole = total(profile) or 1.0
    times: dict[tuple[str, bool], list[float]] = {}
    for op in profile:
        times.setdefault((op.name, op.delegated), []).append(shown(op.time))
    costs = [
        KindCost(kind, len(each), sum(each), sum(each) / whole, delegated)
        for (kind, delegated), each in times.items()
    ]
    return sorted(costs, key=lambda cost: -cost.total)


def module_name(path: str | None) -> str:
    """How a path is shown where it is empty or not known."""
    return path or ("(the model itself)" if path == "" else "(no module known)")


def total(profile: Sequence[OpTime]) -> float:
    """The time of all ops, in ms or millions of instructions."""
    return shown(sum(op.time for op in profile))


def ran_with(record: LaunchRecord) -> str:
    """How a profile was taken, where it was not taken with the delegate of the cell."""
    if record.profile_delegate in (None, record.cell.delegate):
        return f"with {record.cell.delegate}"
    return f"without {record.cell.delegate}, by the runtime's own kernels ({record.profile_delegate})"


def remarks(record: LaunchRecord, unit: str) -> list[str]:
    """What a reader must know of a profile: how it was taken, what it leaves open, and why."""
    if not record.ok:
        return [f"No profile: {record.error}."]
    profile = record.profile
    lines = [
        f"One launch of its own, {ran_with(record)}. Its ops take {figures.number(total(profile))} {unit} in all."
    ]
    if record.timing is not None:
        lines[0] += (
            f" The same launch without the profiler: {figures.number(shown(record.timing.median))} {unit} a run."
        )
    taken = [op for op in profile if op.delegated]
    if taken:
        parts = {op.partition for op in taken if op.partition is not None}
        where = f" in {figures.plural(len(parts), 'partition')}" if parts else ""
        lines.append(
            f"{record.cell.delegate} ran {figures.plural(len(taken), 'op')} of its own{where}, and does not say which "
            "ops of the file they stand for: no module is known of them."
        )
    if record.conversion is not None and record.conversion.origins is False:
        lines.append(
            f"{record.cell.converter} does not say which module of the PyTorch program an op of its file comes from, so "
            "there are no figures by module."
        )
    return lines
