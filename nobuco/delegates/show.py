"""A check as a page for the terminal: the summary first, then what is refused, alike verdicts together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from nobuco.delegates.check import Danger, DelegateCheck, State, Verdict

_COLOURS = {State.REFUSED: "red", State.FATAL: "bold red", State.UNKNOWN: "yellow"}
_PLACES = 3  # named of each group


def summary(check: DelegateCheck) -> str:
    """`shufflenet.tflite, classic GPU delegate (OpenCL): 12 of 144 nodes on the GPU, in 1 part; 34 refused`"""
    total, on_gpu, counts = len(check.verdicts), check.on_gpu, check.counts
    if check.whole:
        said = f"all {total} nodes on the GPU"
    else:
        parts = "" if not check.partitions else f" in {_counted(check.partitions, 'part')}"
        said = f"{on_gpu} of {total} nodes on the GPU{parts}"
        found = [
            f"{counts[state]} {word}"
            for state, word in (
                (State.REFUSED, "refused"),
                (State.FATAL, "make the delegate fail"),
                (State.UNKNOWN, "unknown"),
            )
            if counts[state]
        ]
        said += "; " + ", ".join(found) if found else ""
        if check.delegate.whole and on_gpu:
            said += "; nothing where it may not leave the rest to the CPU"
    if check.inner_ops:
        said += f"; {_counted(check.inner_ops, 'op')} inside branches and loops, on the CPU"
    if check.batch_assumed:
        said += "; judged at batch 1, which the file leaves open"
    wrong = sum(danger.wrong for danger in check.dangers)
    if wrong:
        said += f"; {_counted(wrong, 'node')} computed wrongly"
    return f"{check.path.name}, {check.delegate.title}: {said}"


def page(checks: Sequence[DelegateCheck]) -> Group:
    """For `rich.print`."""
    parts: list[Any] = [Text(summary(check), style=_style(check)) for check in checks]
    for check in checks:
        left = [verdict for verdict in check.verdicts if verdict.state is not State.TAKEN]
        if left:
            parts += ["", _refused(check, left)]
        if check.dangers:
            parts += ["", _dangers(check)]
    return Group(*parts)


def overview(checks: Sequence[DelegateCheck]) -> Table:
    """Of several files, a row each: what each delegate takes, and in how many parts. For `rich.print`."""
    delegates = list(dict.fromkeys(check.delegate.name for check in checks))
    table = Table("file")
    table.columns[0].overflow = "fold"
    for name in delegates:
        table.add_column(name, justify="right")
        table.add_column("parts", justify="right")
    files: dict[Any, dict[str, DelegateCheck]] = {}
    for check in checks:
        files.setdefault(check.path, {})[check.delegate.name] = check
    for path, found in files.items():
        cells = [cell for name in delegates for cell in _taken(found[name])]
        table.add_row(Text(str(path)), *cells)
    return table


def _taken(check: DelegateCheck) -> tuple[Text, str]:
    total, wrong = len(check.verdicts), sum(danger.wrong for danger in check.dangers)
    said = f"all {total}" if check.whole else f"{check.on_gpu} of {total}"
    return Text(f"{said}, {wrong} wrong" if wrong else said, style=_style(check)), str(check.partitions)


def _style(check: DelegateCheck) -> str:
    if not check.right:
        return "bold red"
    return "green" if check.whole else "yellow" if not check.counts[State.REFUSED] else "red"


def _refused(check: DelegateCheck, verdicts: Iterable[Verdict]) -> Table:
    groups: dict[tuple[Any, ...], list[Verdict]] = {}
    for verdict in verdicts:
        key = verdict.op.op, verdict.state.value, _COLOURS[verdict.state], verdict.rule, verdict.mend
        groups.setdefault(key, []).append(verdict)
    return _table(f"{check.delegate.title}, {check.delegate.runtime}: not taken", groups)


def _dangers(check: DelegateCheck) -> Table:
    groups: dict[tuple[Any, ...], list[Danger]] = {}
    for danger in check.dangers:
        said = ("wrong", "bold red") if danger.wrong else ("at risk", "yellow")
        groups.setdefault((danger.op.op, *said, danger.name, danger.mend), []).append(danger)
    return _table(f"{check.delegate.title}: numbers", groups)


def _table(title: str, groups: Mapping[tuple[Any, ...], Sequence[Verdict] | Sequence[Danger]]) -> Table:
    """A row a group: op, what is said of it, its colour, the rule, the mend -> what it is said of."""
    table = Table("op", "nodes", "why, and what to do", "where", title=title, title_justify="left")
    table.columns[1].justify = "right"
    table.columns[3].overflow = "fold"
    for (op, said, colour, rule, mend), found in sorted(groups.items(), key=lambda item: -len(item[1])):
        reasons = list(dict.fromkeys(each.reason for each in found))
        others = f" (and {len(reasons) - 1} like it)" if len(reasons) > 1 else ""
        reason = reasons[0] if reasons[0].startswith(rule) else f"{rule}, {reasons[0]}"
        why = Text.assemble((said, colour), f": {reason}{others}\n", (f"→ {mend}", "cyan"))
        table.add_row(Text(op), str(len(found)), why, Text(_places(found)))
    return table


def _places(found: Sequence[Verdict] | Sequence[Danger]) -> str:
    """The first few places in the PyTorch program, or in the graph where those are not known."""
    places = list(dict.fromkeys(place(each) for each in found))
    more = f"\n… {len(places) - _PLACES} more" if len(places) > _PLACES else ""
    return "\n".join(places[:_PLACES]) + more


def place(found: Verdict | Danger) -> str:
    """`features.3 (model.py:41), node 17`: module, line and number of the node, as far as they are known."""
    sites = [origin.site for origin in found.op.origins if origin.site is not None]
    line = f" ({sites[0].file.rsplit('/', 1)[-1]}:{sites[0].line})" if sites else ""
    module = found.op.module_path or _scope(found.op.name)
    return f"{module}{line}, node {found.node}".removeprefix(", ")


def _scope(name: str) -> str:
    """The layer that a tensor's name tells, which in files of nobuco's is the module's path."""
    scopes = name.partition(";")[0].split("/")
    return scopes[1] if len(scopes) > 2 else ""


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
