"""Files of fewer bits beside the float32 file of the same model: what each takes, and how often its answer is the same."""

from collections.abc import Sequence

from bench.readme.published import PLACES, Place
from bench.readme.rows import NOT_MEASURED, Found, figure, find, missing, ratio, table
from reports import figures
from reports.record import FLOAT, LaunchRecord
from reports.summary import Row, summarise

MODELS = ("mobilenet_v3_large", "mobilenet_v2", "resnet18")
CONVERTER = "nobuco"
PRECISIONS = (FLOAT, "fp16", "int8-dynamic", "int8")
WEIGHTS = "taught"
"""Answers of random networks are ties, which any rounding breaks; see `models_zoo.taught`."""
DELEGATE = "xnnpack"
HEADING = "**Files of fewer bits**"
NOTE = (
    "- Same answers: how many of 100 scenes get the class that PyTorch gives them. It is an easy test: it tells files that "
    "work from files that are broken, not what a trained network would lose; see [precision](docs/precision.md)."
)
_PLACES = tuple(place for place in PLACES if place.delegate == DELEGATE)


def belongs(record: LaunchRecord) -> bool:
    """Whether the table is made from a launch, as far as the file goes."""
    cell = record.cell
    return (
        cell.model in MODELS
        and (cell.converter, cell.delegate) == (CONVERTER, DELEGATE)
        and cell.precision in PRECISIONS
        and record.provenance.weights == WEIGHTS
    )


def markdown(records: Sequence[LaunchRecord], known: Sequence[LaunchRecord], reasons: list[str]) -> str:
    """The table, a line a file.

    Args:
        records: Launches that belong to it, in order of writing.
        known: Launches that tell which devices there are.
        reasons: Takes why a file has no figure; its number stands in the table.
    """
    groups = summarise(records, baseline=CONVERTER)
    headings = ["", "MB", "same answers"]
    for place in _PLACES:
        headings += [place.title, "of fp32"]
    lines: list[list[str]] = []
    for model in MODELS:
        found = {place: find(groups, records, model, place, lambda cell: cell.precision) for place in _PLACES}
        for precision in PRECISIONS:
            lines.append(_line(f"{model} {precision}", found, precision, known, reasons))
    about = "of each model without training, its last layer fitted to tell a hundred made-up scenes apart"
    return "\n".join([f"{HEADING}, nobuco's, {about}", "", *table(headings, lines)])


def _line(
    title: str,
    found: dict[Place, Found | None],
    precision: str,
    known: Sequence[LaunchRecord],
    reasons: list[str],
) -> list[str]:
    rows, floats = _rows(found, precision), _rows(found, FLOAT)
    first = next((row for row in rows.values() if row), None)
    if first is None:
        line = [title, NOT_MEASURED, figures.NONE]
    else:
        alike = first.accuracy.alike if first.accuracy else None
        same = figures.NONE if alike is None else f"{100 * alike:.0f} %"
        line = [title, figures.megabytes(first.conversion.size_bytes), same]
    for place, row in rows.items():
        noisy = any(each is not None and bool(each.noise) for each in (row, floats[place]))
        line += [figure(row, missing(known, place), reasons), ratio(row.of_fp32 if row else None, noisy)]
    return line


def _rows(found: dict[Place, Found | None], precision: str) -> dict[Place, Row | None]:
    return {place: each.rows.get(precision) if each else None for place, each in found.items()}
