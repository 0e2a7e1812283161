"""The documentation speaks of what there is."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_compiles(page):
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        ast.parse(block)


def test_the_tests_that_are_named_exist():
    page = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    named = re.findall(r"\[(test_\w+)\]\(\.\./([^)]+)\)", page)
    assert named
    missing = [
        (name, file)
        for name, file in named
        if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert not missing


def test_every_example_has_its_place_in_the_docs():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES if page.parent.name == "docs")
    examples = {file.name for file in (ROOT / "examples").glob("*.py")} - {
        "__init__.py",
        "__main__.py",
        "checking.py",
    }
    assert not {name for name in examples if f"../examples/{name}" not in text}


def test_the_site_is_built_without_a_warning(tmp_path):
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--fail-on-warning",
        "--keep-going",
        "--quiet",
        "docs",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cli, api = ((tmp_path / f"{page}.html").read_text(encoding="utf-8") for page in ("cli", "api"))
    assert "--retry-failed" in cli and "bench-baselines-install" in cli
    assert "nobuco.pytorch_to_keras" in api and "bench.run.zoo" in api and "devices.open_device" in api


def test_the_knowledge_base_is_up_to_date():
    command = [sys.executable, "docs/knowledge.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_op_table_is_that_of_its_record():
    command = [sys.executable, "docs/ops.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", ["gpu", "peers", "precision"])
def test_a_page_is_that_of_its_records(page: str):
    command = [sys.executable, f"docs/{page}.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_forecast_says_taken_of_what_was_refused():
    rows = [json.loads(line) for line in (ROOT / "docs/records/gpu_ops.jsonl").read_text().splitlines()]
    ran = [row for row in rows if row["nodes"] and not row["unknown"]]
    assert len(ran) >= 60
    assert not [row["name"] for row in ran if row["forecast"] > row["taken"]]


def test_no_op_is_converted_to_something_wrong():
    rows = [json.loads(line) for line in (ROOT / "docs/records/op_table.jsonl").read_text().splitlines()]
    assert not [row["op"] for row in rows if row["verdict"] in ("wrong", "error")]
    assert sum(row["verdict"] == "right" for row in rows) >= 560
