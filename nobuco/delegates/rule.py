"""What a rule of a delegate is, and what a delegate is to the check: tables of such rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from nobuco.delegates.graph import Node


class Breach(Enum):
    """What becomes of a node that breaks a rule."""

    REFUSED = "refused"  # the node stays with the CPU
    FATAL = "fatal"  # the node is accepted, and then the delegate fails as a whole when it starts
    UNKNOWN = "unknown"  # neither the delegate's source nor a trial says


@dataclass(frozen=True)
class Rule:
    """One condition that a node has to meet.

    Attributes:
        name: in a few words; verdicts are grouped by it.
        ops: the ops that it is for; empty for all.
        broken: what is wrong with a node, None where nothing is.
        mend: what to do about it.
        source: where the rule is from.
        breach: what becomes of a node that breaks it.
    """

    name: str
    ops: tuple[str, ...]
    broken: Callable[[Node], str | None]
    mend: str
    source: str
    breach: Breach = Breach.REFUSED

    def meets(self, node: Node) -> bool:
        return not self.ops or node.op in self.ops


@dataclass(frozen=True)
class Caution:
    """Something that a delegate computes otherwise than the CPU does.

    Attributes:
        name: in a few words.
        found: what is to be said of a node, None for nothing.
        mend: what to do about it.
        source: where it is from.
        wrong: whether the result is known to be wrong whatever the numbers are, not at risk alone.
    """

    name: str
    ops: tuple[str, ...]
    found: Callable[[Node], str | None]
    mend: str
    source: str
    wrong: bool = False


@dataclass(frozen=True)
class Delegate:
    """A delegate as its sources and trials describe it.

    Attributes:
        name: as `bench --delegate` has it.
        title: for people.
        runtime: what the rules were read from and tried with.
        versions: the ops that it has, with the newest version of each that it takes; None for any.
        rules: in the order in which they are asked.
        cautions: what it takes and may compute wrongly.
        whole: whether one refused node makes it refuse the file.
    """

    name: str
    title: str
    runtime: str
    versions: Mapping[str, int | None]
    rules: tuple[Rule, ...]
    cautions: tuple[Caution, ...]
    whole: bool = False

    def rules_for(self, node: Node) -> Iterable[Rule]:
        return (rule for rule in self.rules if rule.meets(node))


def at_most(version: int | None, *ops: str) -> dict[str, int | None]:
    """A part of `Delegate.versions`."""
    return dict.fromkeys(ops, version)
