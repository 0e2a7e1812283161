"""What a column of a table is: a value for programs, and how it looks to a reader in each kind of table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reports.summary import Group, Row


def _always(_: Group) -> bool:
    return True


def _plain(_: Row) -> str:
    return ""


@dataclass(frozen=True)
class View:
    """How a column looks to a reader.

    Attributes:
        heading: May name the group's {quantity}, {unit}, {short_unit} and {baseline}.
        text: The cell of a row; None: the column's value in its format.
        left: Whether the column is aligned to the left.
        width: Characters on a terminal, where the tables of all models are aligned; elsewhere without meaning.
        style: Rich's style of the cell; elsewhere without meaning.
        shown: Whether a group's table has the column.
    """

    heading: str
    text: Callable[[Row], str] | None = None
    left: bool = False
    width: int = 0
    style: Callable[[Row], str] = _plain
    shown: Callable[[Group], bool] = _always

    def title(self, group: Group) -> str:
        """The heading, filled in for a group."""
        return self.heading.format(
            quantity=group.quantity, unit=group.unit, short_unit=group.short_unit, baseline=group.baseline
        )


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        key: Its name in CSV and JSON.
        value: The plain value there; None where there is no figure.
        format: The value as readers see it.
        page: How it looks on a page, where there is room; None: it is left out there.
        terminal: How it looks within 80 characters; None: it is left out there.
        extra: How it looks where a reader asks for it by its key; None: as on a page, or by its key alone.
    """

    key: str
    value: Callable[[Row], Any]
    format: Callable[[Any], str] = str
    page: View | None = None
    terminal: View | None = None
    extra: View | None = None

    def text(self, view: View, row: Row) -> str:
        """What a reader sees in the cell of a row."""
        return view.text(row) if view.text else self.format(self.value(row))
