"""`bench compare`: a change is found, noise is not, and what came, went or broke is said."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.commands.compare import REGRESSED
from reports.compare import Comparison, compare
from reports.record import Delegation, LaunchRecord, Timing
from reports.store import RECORDS, RecordStore
from tests.reports.make_records import a_record


def a_run(
    seed: int, factor: float = 1.0, n: int = 12, models: int = 20, **changes: Any
) -> list[LaunchRecord]:
    """Launches that scatter by one per cent, skewed to the slow side; in a run, all of a model are off by a little."""
    random = np.random.default_rng(seed)
    records = []
    for model in range(models):
        base = 1000.0 * (1 + model) * factor * random.normal(1, 0.003)
        records += [
            a_record(f"net{model}", round_number=r, times=(base * (1 + random.exponential(0.01)),), **changes)
            for r in range(n)
        ]
    return records


def verdicts(found: list[Comparison]) -> Counter[str]:
    return Counter(each.verdict for each in found)


def test_a_run_against_itself_is_the_same() -> None:
    records = [*a_run(1), a_record("broken", failure="crashed")]
    found = compare(records, records)
    assert verdicts(found) == {"same": 20, "failing": 1}
    assert all(each.ratio is None or each.ratio.value == 1 for each in found)
    assert not any(each.regressed(0.0) for each in found)


def test_a_run_that_is_too_short_for_intervals_is_still_the_same_as_itself() -> None:
    records = a_run(1, n=3, models=1)
    (found,) = compare(records, records)
    assert (found.verdict, found.reason) == ("same", "the very same launches")
    (other,) = compare(records, a_run(2, n=3, models=1))
    assert (other.verdict, other.reason) == ("unclear", "2 launches more for an interval")


def test_ten_per_cent_are_found_and_one_per_cent_of_noise_is_not() -> None:
    assert verdicts(compare(a_run(1), a_run(2))) == {"same": 20}
    slower = compare(a_run(1), a_run(2, factor=1.1))
    assert verdicts(slower) == {"worse": 20}
    assert all(each.regressed(0.03) and not each.regressed(0.2) for each in slower)
    assert verdicts(compare(a_run(1), a_run(2, factor=0.9))) == {"better": 20}


def test_what_the_very_same_files_did_is_the_machines_doing() -> None:
    def one(model: str, seed: int, factor: float, file: str) -> list[LaunchRecord]:
        records = a_run(seed, factor, models=1)
        cell = records[0].cell.model_copy(update={"model": model})
        provenance = records[0].provenance.model_copy(update={"file_sha256": file})
        return [r.model_copy(update={"cell": cell, "provenance": provenance}) for r in records]

    before = [*one("same file", 1, 1.0, "a"), *one("changed", 2, 1.0, "b"), *one("changed more", 3, 1.0, "c")]

    def after(factor: float) -> dict[str, Comparison]:
        now = [
            *one("same file", 4, factor, "a"),
            *one("changed", 5, 0.96, "B"),
            *one("changed more", 6, 0.9, "C"),
        ]
        return {each.cell.model: each for each in compare(before, now)}

    moved = after(0.955)
    assert {name: each.verdict for name, each in moved.items()} == {
        "same file": "same",
        "changed": "same",
        "changed more": "better",
    }
    assert moved["changed"].reason is not None
    assert moved["changed"].reason.startswith("the very same files moved by up to 4.")
    still = after(1.0)
    assert (still["changed"].verdict, still["same file"].reason) == ("better", None)
    assert after(0.9)["same file"].verdict == "better", "so much is news, whatever its cause"


@pytest.mark.parametrize(
    ("count", "verdict"), [(100_200.0, "same"), (102_000.0, "worse"), (98_000.0, "better")]
)
def test_emulated_counts_are_compared_exactly(count: float, verdict: str) -> None:
    def of(value: float) -> list[LaunchRecord]:
        return [a_record(emulated=True, timing=Timing.of_runs("kinstr", [value]))]

    (found,) = compare(of(100_000.0), of(count))
    assert found.verdict == verdict


def test_noise_proves_nothing() -> None:
    loaded = {"device_info": {"cores": 2}, "state_before": {"load_1min": 9.0}}
    found = compare(a_run(1, models=1), a_run(2, factor=1.3, models=1, **loaded))
    assert verdicts(found) == {"unclear": 1}
    assert found[0].reason is not None and "load 9.00 on 2 cores" in found[0].reason
    assert not found[0].regressed(0.03)


def test_too_few_launches_are_unclear() -> None:
    (found,) = compare(a_run(1, models=1, n=3), a_run(2, factor=1.5, models=1, n=12))
    assert (found.verdict, found.reason) == ("unclear", "2 launches more for an interval")


def test_two_machines_are_not_compared() -> None:
    here = a_run(1, models=1)
    other = here[0].provenance.model_copy(update={"device_identity": "another"})
    (found,) = compare(here, a_run(2, factor=2.0, models=1, provenance=other))
    assert (found.verdict, found.reason) == ("not comparable", "measured on different machines")
    assert found.ratio is None


def test_what_came_went_broke_and_was_mended_is_said() -> None:
    before = [
        *a_run(1, models=1),
        *[a_record("old", round_number=r) for r in range(5)],
        a_record("bad", failure="x"),
    ]
    before += [a_record("breaks", round_number=r) for r in range(5)]
    after = [
        *a_run(1, models=1),
        *[a_record(name, round_number=r) for r in range(5) for name in ("new", "bad")],
    ]
    after.append(a_record("breaks", error=1.0))
    found = {each.cell.model: each for each in compare(before, after)}
    assert {name: each.verdict for name, each in found.items()} == {
        "net0": "same",
        "old": "gone",
        "bad": "mended",
        "breaks": "newly failing",
        "new": "new",
    }
    assert found["breaks"].reason == "wrong output: error 1.0e+00 above 1e-03" and found["breaks"].regressed(
        0.5
    )
    assert compare(before, after)[0].cell.model == "breaks", "what is worst comes first"


def test_nodes_that_the_delegate_no_longer_takes_are_a_regression() -> None:
    def of(taken: int) -> list[LaunchRecord]:
        took = Delegation(asked="xnnpack", applied="xnnpack", delegated_nodes=taken, total_nodes=7)
        return a_run(1, models=1, delegation=took)

    (found,) = compare(of(7), of(5))
    assert found.verdict == "same" and found.regressed(0.5)
    assert found.newly_undelegated == "0 of 7 nodes left by the delegate, now 2 of 7"
    (found,) = compare(of(5), of(7))
    assert found.newly_undelegated is None


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, words)])


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name, seed, factor in (("a", 1, 1.0), ("b", 2, 1.1)):
        store = RecordStore(tmp_path / name / RECORDS)
        for record in a_run(seed, factor, models=2):
            store.append(record)
    return tmp_path / "a", tmp_path / "b"


def test_the_command_compares_folders_and_ends_with_a_code(folders: tuple[Path, Path]) -> None:
    a, b = folders
    same = run(a, a, "--fail-on-regression", "3%")
    said = " ".join(same.stdout.split())  # long paths make lines wrap
    assert same.exit_code == 0 and "2 same" in said and "No regression of more than 3 %" in same.stderr
    worse = run(a, b, "--fail-on-regression", "3%", "--markdown")
    assert (
        worse.exit_code == REGRESSED and "| worse | net0, nobuco, host, xnnpack, 1 thread |" in worse.stdout
    )
    assert "Regression: net1, nobuco, host, xnnpack, 1 thread: slower by more than 3 %" in worse.stderr
    assert run(a, b).exit_code == 0 and run(a, b, "--fail-on-regression", "20%").exit_code == 0
    flat = json.loads(run(a, b, "--json").stdout)
    assert [row["verdict"] for row in flat] == ["worse", "worse"] and flat[0]["ratio_low"] > 1.03


def test_two_converters_are_compared_within_the_rounds(folders: tuple[Path, Path]) -> None:
    a, _ = folders
    store = RecordStore(a / RECORDS)
    for record in a_run(1, factor=1.2, models=2):
        store.append(
            record.model_copy(update={"cell": record.cell.model_copy(update={"converter": "onnx2tf"})})
        )
    flat = json.loads(run("nobuco", "onnx2tf", "--out", a, "--json").stdout)
    assert [row["verdict"] for row in flat] == ["worse", "worse"]
    assert flat[0]["ratio_low"] == pytest.approx(1.2) == flat[0]["ratio_high"]


def test_two_commits_are_compared(folders: tuple[Path, Path]) -> None:
    a, _ = folders
    store = RecordStore(a / RECORDS)
    for record in a_run(3, factor=1.1, models=1):
        environment = record.environment.model_copy(update={"git": "0123456789ab"})
        store.append(record.model_copy(update={"environment": environment}))
    for record in a_run(4, models=1):
        environment = record.environment.model_copy(update={"git": "fedcba987654-dirty"})
        store.append(record.model_copy(update={"environment": environment}))
    result = run("0123456", "fedcba9876", "--out", a)
    assert result.exit_code == 0 and "1 better" in result.stdout


def test_what_is_not_there_is_named_with_what_is(folders: tuple[Path, Path]) -> None:
    a, _ = folders
    result = run("nobuco", "onnx2tg", "--out", a)
    assert result.exit_code == 1 and "onnx2tg: neither a folder" in result.stderr
    assert "has the converters nobuco" in result.stderr
    mixed = run("nobuco", a, "--out", a)
    assert mixed.exit_code == 1 and "one is a converter, the other is not" in mixed.stderr
    empty = run(a, a / "nothing")
    assert empty.exit_code == 1 and "Traceback" not in empty.output
