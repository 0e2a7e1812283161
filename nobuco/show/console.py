"""The call tree on the console.

On a terminal the whole tree, in colour, with links to where each call was [I]nvoked, [D]efined, [C]onverted.
Where stderr is a file or a pipe nobody can fold or click: a long tree is cut down to the calls that went
wrong and what they stand in, with the source line written out."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.style import Style
from rich.text import Text
from rich.tree import Tree

from nobuco.contract.sites import Site
from nobuco.show.links import exists, short, terminal_link
from nobuco.show.progress import current_console
from nobuco.show.rows import LOOKS, PROBLEMS, Look, Row, counts, figure, rows_of, shape_of, shortened
from nobuco.trace.calls import Kind
from nobuco.validate.report import Check, Report, Status

PLAIN_LINES = 60  # a tree longer than this is cut down where there is no terminal
_WIDE = 1000
_MARK_STYLE = "cyan"
_QUIET = "bright_black"
REMARK_STYLES = {"good": "green", "poor": "yellow", "bad": "bold red"}


def print_tree(report: Report, console: Console | None = None) -> None:
    """Prints the tree and what was found, to stderr unless a console is given."""
    console = console or current_console() or Console(stderr=True)
    root = rows_of(report)
    if _colourful(console):
        console.print(tree_of(root, console), highlight=False)
    else:
        _print_plain(root, console)
    for line in summary(report, root):
        console.print(line, highlight=False, soft_wrap=not _colourful(console))


def _colourful(console: Console) -> bool:
    return console.is_terminal or console.is_jupyter


def tree_of(root: Row, console: Console, keep: set[Row] | None = None, wrap: bool | None = None) -> Tree:
    """
    Args:
        keep: the rows to show; the rest is left out, and its number told.
        wrap: whether lines that are too long are folded; else they are cut. Not given: on a terminal.
    """
    wrap = _colourful(console) if wrap is None else wrap
    plain = not (console.encoding or "").lower().startswith("utf")
    tree = Tree(_line(root, console, plain, wrap), guide_style=_QUIET)
    pending = [(tree, root)]
    while pending:
        branch, row = pending.pop()
        left_out = 0
        for child in _shown(row):
            if keep is None or child in keep:
                pending.append((branch.add(_line(child, console, plain, wrap)), child))
            else:
                left_out += sum(1 for _ in _visible(child))
        if left_out:
            branch.add(Text(f"({left_out} more)", style=_QUIET))
    return tree


def summary(report: Report, root: Row) -> list[Text]:
    found = ", ".join(f"{count} {LOOKS[status].word}" for status, count in counts(root).items())
    at_outputs = report.transposes - sum(row.found.transposed_inputs for row in root.walk())
    transposes = f"{report.transposes} transpose" + ("" if report.transposes == 1 else "s")
    if at_outputs > 0:
        transposes += f" ({at_outputs} at the outputs)"
    lines = [Text(f"{found or 'no calls'}; {transposes}")]
    lines += [_check_line(check, report) for check in report.checks]
    lines += [Text(said) for said in report.noted]
    worst = report.worst_call
    if worst is not None and worst.error and worst.error > report.tolerance:
        born = worst.call.user_line
        where = f" at {short(born)}" if born is not None else ""
        said = (
            f"the largest error of a single call, {figure(worst.error)}, is born in {worst.call.name}{where}"
        )
        lines.append(Text(said))
    return lines


def check_said(check: Check, report: Report) -> str:
    if check.error is None:
        return check.message or check.skipped
    said = f"relative error {figure(check.error)}, tolerance {report.tolerance:g}"
    if check.rounding is not None:
        said += f"; PyTorch's own rounding in float32 is {figure(check.rounding)}"
    return said


def _check_line(check: Check, report: Report) -> Text:
    style = _QUIET if check.skipped else "bold red" if check.message or report.is_off(check) else "green"
    return Text(f"whole model, {check.inputs}: {check_said(check, report)}", style=style)


def _print_plain(root: Row, console: Console) -> None:
    rows = list(_visible(root))
    if len(rows) <= PLAIN_LINES:
        _print_lines(tree_of(root, console), console)
        return
    keep: set[Row] = set()
    above: dict[Row, Row] = {child: row for row in rows for child in row.children}
    for row in rows:
        if row.status in PROBLEMS and len(keep) < PLAIN_LINES:
            step: Row | None = row
            while step is not None:
                keep.add(step)
                step = above.get(step)
    if keep:
        _print_lines(tree_of(root, console, keep), console)


def _print_lines(tree: Tree, console: Console) -> None:
    """Whole lines, however long: whoever reads a file wraps them as they like."""
    lines = console.render_lines(tree, console.options.update(width=_WIDE), pad=False)
    text = "\n".join("".join(part.text for part in line).rstrip() for line in lines)
    console.print(Text(text), highlight=False, soft_wrap=True)


def _shown(row: Row) -> Iterable[Row]:
    """What lies inside a call that is converted as a whole is folded away."""
    return (child for child in row.children if not child.covered)


def _visible(row: Row) -> Iterable[Row]:
    yield row
    for child in _shown(row):
        yield from _visible(child)


def _line(row: Row, console: Console, plain: bool, wrap: bool) -> Text:
    look = LOOKS[row.status]
    text = Text(no_wrap=not wrap, overflow="fold")
    symbol = look.ascii if plain else look.symbol
    if symbol:
        text.append(f"{symbol} ", style=look.style)
    text.append(row.name, style=f"{look.style} bold" if row.status is Status.CONTAINER else look.style)
    if row.path:
        text.append(f" ({row.path})", style=_QUIET)
    text.append("  ")
    _append_shapes(text, row, look, "->" if plain else "→")
    if row.found.error is not None and row.status is Status.INEXACT:
        text.append(f"  error {figure(row.found.error)}", style=look.style)
    elif row.found.error is not None:
        text.append(f"  {figure(row.found.error)}", style=_QUIET)
    for word in row.marks.values():
        text.append(f"  {word}", style=_MARK_STYLE)
    if row.remark is not None:
        text.append(f"  {row.remark.text}", style=REMARK_STYLES[row.remark.level])
    if _colourful(console):
        _append_links(text, row)
    elif row.status in PROBLEMS and row.call.user_line is not None:
        text.append(f"  at {short(row.call.user_line)}")
    if row.found.message and row.status in PROBLEMS:
        text.append(f"\n  {shortened(row.found.message, 300)}", style=look.style)
    return text


def _append_shapes(text: Text, row: Row, look: Look, arrow: str) -> None:
    for index, value in enumerate(row.call.inputs):
        if index:
            text.append(", ", style=_QUIET)
        if value.constant:
            # a weight, a table: it is laid out when converting, and costs nothing
            text.append(f"{row.constant_name(value)} ", style="dim italic")
            text.append(shape_of(value), style="dim")
        else:
            text.append(shape_of(value), style=look.style if row.status is Status.UNUSED else "")
    if row.result:
        text.append(f" {arrow} ", style=_QUIET)
        named = row.call.kind is Kind.READ or row.status in (Status.UNUSED, Status.FOLDED)
        text.append(row.result, style=look.style if named else "")


def _append_links(text: Text, row: Row) -> None:
    text.append(" ")
    for letter, site in (("I", row.invoked), ("D", row.defined), ("C", row.converted)):
        text.append(" ")
        text.append_text(_link(letter, site))


def _link(letter: str, site: Site | None) -> Text:
    if site is None or not exists(site):
        return Text(f" {letter} ", style="dim")
    return Text(f"[{letter}]", style=Style(color="blue", link=terminal_link(site)))
