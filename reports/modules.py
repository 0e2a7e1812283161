"""A profile, op by op, folded: onto the tree of the PyTorch modules, or onto the kinds of op where no module is known."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from reports import figures
from reports.record import LaunchRecord, OpTime
from reports.sets import shown

Place = tuple[str, ...]
_SLOWED = 1.5
"""Above this ratio of the time with the profiler to that without it, the shares are said to be rough."""


@dataclass
class ModuleCost:
    """What one module costs, with all modules within it.

    Attributes:
        path: Its path, such as `features.3`; empty for the model. In parentheses: what belongs to no known module.
        total: The time of all ops within it, in ms or millions of instructions.
        own: The time of those ops that belong to it and to no module within it.
        share: `total` as a share of the whole profile.
        ops: How many ops there are within it.
        sources: The lines of the program that its own ops come from.
    """

    path: str
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
    found: dict[Place, ModuleCost] = {(): ModuleCost("")}
    for op, place in zip(profile, places(profile), strict=True):
        for depth in range(len(place) + 1):
            cost = found.setdefault(place[:depth], ModuleCost(".".join(place[:depth])))
            cost.total += shown(op.time)
            cost.ops += 1
        home = found[place]
        home.own += shown(op.time)
        if op.source is not None and op.source not in home.sources:
            home.sources.append(op.source)
    for cost in found.values():
        cost.share = cost.total / whole
    first = {place: number for number, place in enumerate(found)}
    in_order = sorted(found, key=lambda place: [first[place[:depth]] for depth in range(len(place) + 1)])
    return [found[place] for place in in_order]


def places(profile: Sequence[OpTime]) -> list[Place]:
    """The module of each op, as the parts of its path; empty for the model itself.

    What a delegate ran without saying for which ops of the file is kept together, and so is what nothing is known of.
    """
    taken = sum(op.delegated and op.module_path is None for op in profile)
    delegate, unknown = (f"(delegate: {figures.plural(taken, 'op')})",), ("(no module known)",)

    def of(op: OpTime) -> Place:
        if op.module_path is None:
            return delegate if op.delegated else unknown
        return tuple(op.module_path.split(".")) if op.module_path else ()

    return [of(op) for op in profile]


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


def module_name(path: str) -> str:
    """How a path is shown where it is empty."""
    return path or "(the model itself)"


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
        without = shown(record.timing.median)
        lines[0] += f" Without the profiler a run takes {figures.number(without)} {unit}."
        if without and total(profile) > _SLOWED * without:
            lines.append("The profiler slows this model down, so the shares are rough.")
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
