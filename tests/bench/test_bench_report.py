"""`bench report`: between the markers of a README and nowhere else, over the baseline that was chosen."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.report_files import TABLES_BEGIN, TABLES_END, write_report
from reports.store import RECORDS, RecordStore
from reports.summary import summarise
from tests.reports.make_records import a_record


@pytest.fixture
def out(tmp_path: Path) -> Path:
    store = RecordStore(tmp_path / "out" / RECORDS)
    for number in range(3):
        store.append(a_record(round_number=number))
    return tmp_path / "out"


def report(out: Path, readme: Path) -> Result:
    return CliRunner().invoke(main, ["report", "--out", str(out), "--readme", str(readme)])


def test_tables_stand_between_the_markers(out: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"# Mine\n{TABLES_BEGIN}\nold\n{TABLES_END}\nThe end.\n")
    assert report(out, readme).exit_code == 0
    text = readme.read_text()
    assert text.startswith(f"# Mine\n{TABLES_BEGIN}\n") and text.endswith(f"{TABLES_END}\nThe end.\n")
    assert "### host (board), xnnpack" in text and "| net | nobuco | 1.10" in text and "old" not in text
    assert report(out, readme).exit_code == 0
    assert readme.read_text() == text


@pytest.mark.parametrize("text", ["# Mine\n", f"{TABLES_BEGIN}\n", f"{TABLES_END}\n{TABLES_BEGIN}\n"])
def test_a_readme_without_markers_is_left_alone(text: str, out: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    result = report(out, readme)
    assert result.exit_code == 1 and TABLES_BEGIN in result.stderr and "Traceback" not in result.output
    assert readme.read_text() == text


def test_a_readme_that_is_not_there_is_named(out: Path, tmp_path: Path) -> None:
    result = report(out, tmp_path / "nowhere.md")
    assert result.exit_code == 1 and "nowhere.md: cannot be read" in result.stderr


def test_no_chart_of_an_earlier_report_stays(out: Path) -> None:
    def pictures() -> list[str]:
        return sorted(path.name for path in out.glob("*.png"))

    run = CliRunner().invoke
    assert run(main, ["report", "--out", str(out)]).exit_code == 0
    assert pictures() == ["chart.png"]
    (out / "chart-of-my-own.png").write_bytes(b"")
    cell = a_record().cell.model_copy(update={"threads": 2})
    RecordStore(out / RECORDS).append(a_record(cell=cell))
    assert run(main, ["report", "--out", str(out)]).exit_code == 0
    assert pictures() == [
        "chart-host-xnnpack-1t.png",
        "chart-host-xnnpack-2t.png",
        "chart-of-my-own.png",
    ]
    assert not (out / "chart.svg").exists()


def test_more_models_than_a_picture_can_show_are_in_the_table_alone(tmp_path: Path) -> None:
    groups = summarise([a_record(f"model{number}") for number in range(61)], baseline="onnx-tf")
    written = write_report(groups, tmp_path)
    assert {path.name for path in written} == {"report.md", "report.csv"}
    assert "it would show 61 models" in (tmp_path / "report.md").read_text()


def test_the_page_is_written_on_demand(out: Path) -> None:
    assert CliRunner().invoke(main, ["report", "--out", str(out)]).exit_code == 0
    assert not (out / "report.html").exists()
    assert CliRunner().invoke(main, ["report", "--out", str(out), "--html"]).exit_code == 0
    assert "<title>Benchmark: out</title>" in (out / "report.html").read_text()


def test_columns_are_added_by_name(out: Path) -> None:
    added = CliRunner().invoke(main, ["report", "--out", str(out), "--columns", "p90,runner"])
    assert (
        added.exit_code == 0
        and "p90" in added.stdout
        and "runner" in added.stdout
        and "…" not in added.stdout
    )
    refused = CliRunner().invoke(main, ["report", "--out", str(out), "--columns", "p99"])
    assert refused.exit_code == 2 and "no column 'p99' to add; there are device, " in refused.stderr


def test_another_baseline_can_be_chosen_from_those_measured(out: Path) -> None:
    RecordStore(out / RECORDS).append(a_record(converter="onnx2tf"))
    result = CliRunner().invoke(main, ["report", "--out", str(out), "--baseline", "nobuco"])
    assert result.exit_code == 0 and "Speed-up over nobuco" in (out / "report.md").read_text()
    refused = CliRunner().invoke(main, ["report", "--out", str(out), "--baseline", "onnx-tf"])
    assert refused.exit_code == 1 and "the records are of nobuco, onnx2tf" in refused.stderr
