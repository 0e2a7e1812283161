"""Reading benchmark_model's output: every form known, and every value put in comes out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.runners.delegation import read_gpu_delegation, refused_at_most
from devices.runners.official.log import clean_line, parse_log, parse_statistics
from devices.runners.official.op_tables import parse_op_table
from devices.runners.official.verdict import judge

CLASSIC = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Graph: [m.tflite]
INFO: Use gpu: [1]
INFO: Loaded model m.tflite
INFO: Initialized OpenCL-based API.
INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.
INFO: The input model file size (MB): 4.27635
INFO: Initialized session in 0.53ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=5 first=124020 curr=115000 min=114000 max=124020 avg=117225 std=3500 p5=114000 median=116000 p95=124020

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=50 first=116100 curr=116000 min=115000 max=118000 avg=116066 std=612 p5=115100 median=116010 p95=117800

INFO: Inference timings in us: Init: 530, First inference: 124020, Warmup (avg): 117225, Inference (avg): 116066
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual
INFO: Memory footprint delta from the start of the tool (MB): init=3.75 overall=12.1914
INFO: Overall peak memory footprint (MB) via periodic monitoring: 45.5
"""

OLDER = """\
STARTING!
Loaded model m.tflite
The input model file size (MB): 4.27635
Initialized session in 1.2ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=1 curr=1470000

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=1.47e+06 curr=1.46e+06 min=1.45e+06 max=1.49e+06 avg=1.4652e+06 std=9876

Inference timings in us: Init: 1200, First inference: 1470000, Warmup (avg): 1.47e+06, Inference (avg): 1.4652e+06
"""

LITERT = """\
INFO: Replacing 366 out of 366 node(s) with delegate (LITERT_CL) node, yielding 1 partitions for subgraph 0 (main).
WARN: Unconsumed cmdline flags: --use_xnnpack=true
INFO: count=5 first=5100 curr=5000 min=4900 max=5200 avg=5010 std=80
INFO: count=50 first=5005 curr=5000 min=4900 max=5200 avg=5001.5 std=60

========== BENCHMARK RESULTS ==========
Model initialization: 312.50 ms
Warmup (first):       5.10 ms
Warmup (avg):         5.01 ms (5 runs)
Inference (avg):      5.00 ms (50 runs)
Inference (min):      4.90 ms
Inference (max):      5.20 ms
Inference (std):      0.06 ms
Init footprint: 20.25 MB
"""


def with_logcat(text: str) -> str:
    return "".join(f"05-22 11:37:29.123  1234  1239 I tflite  : {line}\n" for line in text.splitlines())


def with_old_logcat(text: str) -> str:
    return "".join(f"I/tflite  ( 1234): {line}\n" for line in text.splitlines())


@pytest.mark.parametrize("wrap", [str, with_logcat, with_old_logcat])
def test_a_classic_log(wrap: object) -> None:
    log = parse_log(wrap(CLASSIC))  # pyright: ignore[reportCallIssue]
    assert (log.init_us, log.first_us, log.avg_us) == (530, 124020, 116066)
    assert log.warmup and (log.warmup.count, log.warmup.avg, log.warmup.p95) == (5, 117225, 124020)
    assert log.timed and (log.timed.count, log.timed.min, log.timed.std, log.timed.median) == (
        50,
        115000,
        612,
        116010,
    )
    assert log.peak_mb == 45.5 and log.complete and log.reasons == () and log.fallbacks == ()
    assert [(entry.name, entry.extent) for entry in log.applied] == [("GPU", "full")]
    assert judge(log, "gpu-opencl", 0) == ("gpu-opencl", None)


def test_an_older_log_without_prefixes_and_with_exponents() -> None:
    log = parse_log(OLDER)
    assert (log.init_us, log.first_us, log.avg_us) == (1200, 1470000, 1465200)
    assert log.warmup and log.warmup.count == 1 and log.warmup.avg is None
    assert log.timed and log.timed.max == 1.49e6 and log.timed.median is None
    assert judge(log, "cpu", 0) == ("cpu", None)


def test_litert_log() -> None:
    log = parse_log(LITERT)
    assert (log.init_us, log.first_us, log.avg_us) == (312500, 5100, 5001.5)
    assert (log.total_nodes, log.delegated_nodes, log.partitions) == (366, 366, 1)
    assert log.unknown_flags == "--use_xnnpack=true"
    assert judge(log, "gpu-opencl", 0) == ("gpu-opencl", None)
    results_alone = parse_log(LITERT[LITERT.index("=====") :])
    assert results_alone.avg_us == 5000 and results_alone.timed
    assert (results_alone.timed.count, results_alone.timed.max) == (50, 5200)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("count=0", (0, None, None)),
        ("count=7 curr=250(all same)", (7, 250.0, 250.0)),
        ("count=1 curr=99", (1, None, None)),
        ("count=2 first=1 curr=3 min=1 max=3 avg=2 std=1", (2, 2.0, 1.0)),
        ("count=2 first=1 curr=3 min=1 max=3 avg=-nan std=nan", (2, None, 1.0)),
    ],
)
def test_statistics_lines(line: str, expected: tuple[int, float | None, float | None]) -> None:
    stats = parse_statistics(line)
    assert stats is not None
    average = None if stats.avg is None or math.isnan(stats.avg) else stats.avg
    assert (stats.count, average, stats.min) == expected


def test_a_run_without_warm_up_and_a_run_that_broke_off() -> None:
    second = OLDER.index("Running benchmark for at least 50")
    alone = parse_log(OLDER[second:])
    assert alone.warmup is None and alone.timed and alone.timed.count == 50
    broken = parse_log(OLDER[:second])
    assert broken.timed is None and broken.warmup and not broken.complete


FULL_GPU = (
    "INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate."
)
NO_GPU = (
    "INFO: Though GPU delegate is explicitly applied, the model graph will not be executed by the delegate."
)
NO_XNNPACK = NO_GPU.replace("GPU", "XNNPACK")
XNNPACK = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
FAILED = "ERROR: Benchmarking failed."
DEFAULT_FAILED = "Failed to apply the default TensorFlow Lite delegate indexed at 0."


@pytest.mark.parametrize(
    ("lines", "asked", "exit_code", "applied", "words"),
    [
        ("WARN: GPU acceleration is unsupported on this platform.", "gpu-opencl", 0, "cpu", "unsupported on"),
        (
            f"INFO: Falling back to OpenGL\n{FULL_GPU}",
            "gpu-opencl",
            0,
            "gpu-opengl",
            "Falling back to OpenGL",
        ),
        (NO_GPU, "gpu-opencl", 0, "cpu", "will not be executed"),
        ("", "gpu-opencl", 0, "cpu", "does not say that a GPU delegate"),
        ("", "xnnpack", 0, "cpu", "xnnpack was asked for, cpu ran"),
        (XNNPACK, "cpu", 0, "xnnpack", "cpu was asked for, xnnpack"),
        (f"ERROR: Failed to apply GPU delegate.\n{FAILED}", "gpu-opencl", 1, None, "Failed to apply GPU"),
        (f"ERROR: Disallowed CPU fallback detected.\n{FAILED}", "gpu-opencl", 1, None, "Disallowed"),
        (f"ERROR: {DEFAULT_FAILED}", "xnnpack", 1, None, "indexed at 0"),
        ("", "xnnpack", 139, None, "signal 11"),
        (XNNPACK, "gpu-opencl", 1, None, "exit code 1"),
        (FULL_GPU, "gpu-opencl", 139, "gpu-opencl", "signal 11"),
        (f"{XNNPACK}\n{NO_XNNPACK}", "xnnpack", 0, "cpu", "will not be executed"),
    ],
)
def test_verdicts(lines: str, asked: str, exit_code: int, applied: str | None, words: str) -> None:
    head, tail = OLDER.split("The input model", 1)
    log = parse_log(f"{head}{lines}\nThe input model{tail}")
    found, problem = judge(log, asked, exit_code)
    assert found == applied and problem is not None and words in problem


def test_partial_delegation_with_reasons() -> None:
    log = parse_log(
        "ERROR: Following operations are not supported by GPU delegate:\n"
        "CAST: Not supported cast case\nRESIZE_BILINEAR: Half pixel centers without align corners\n"
        "120 operations will run on the GPU, and the remaining 6 operations will run on the CPU.\n"
        "INFO: Explicitly applied GPU delegate, and the model graph will be partially executed by the "
        "delegate "
        "w/ 3 delegate kernels.\n" + OLDER
    )
    assert (log.gpu.taken, log.gpu.left) == (120, 6)
    assert log.gpu.rejections[0] == "CAST: Not supported cast case" and len(log.gpu.rejections) == 2
    assert (log.applied[0].extent, log.applied[0].kernels) == ("partial", 3)
    assert log.reasons == () and judge(log, "gpu-opencl", 0) == ("gpu-opencl", None)


NOISE = """\
ERROR: TfLiteGpuDelegate Prepare: delegate is not initialized
ERROR: Node number 125 (TfLiteGpuDelegateV2) failed to prepare.
ERROR: Restored original execution plan after delegate application failure.
ERROR: Failed to apply GPU delegate.
ERROR: Benchmarking failed.
"""
DYNAMIC = (
    "Attempting to use a delegate that only supports static-sized tensors with a graph that has dynamic-sized tensors "
    "(tensor#16 is a dynamic-sized tensor)."
)


@pytest.mark.parametrize("wrap", [str, with_logcat])
@pytest.mark.parametrize(
    ("cause", "reasons"),
    [
        ("ERROR: TfLiteGpuDelegate Init: No GPU detected.", ("TfLiteGpuDelegate Init: No GPU detected.",)),
        (
            "ERROR: TfLiteGpuDelegate Init: clGetPlatformIDs returned -1001",
            ("TfLiteGpuDelegate Init: clGetPlatformIDs returned -1001",),
        ),
        (f"WARNING: {DYNAMIC}", (DYNAMIC,)),
        (
            "ERROR: x:0:in.bin contains more than one delimiter.\nERROR: Wrong input value file item specified: x:0:in.bin"
            "\nERROR: 1",
            ("x:0:in.bin contains more than one delimiter.",),
        ),
    ],
)
def test_the_reason_is_kept_and_the_noise_is_not(wrap, cause: str, reasons: tuple[str, ...]) -> None:
    assert parse_log(wrap(f"{cause}\n{NOISE}")).reasons == reasons


def test_noise_alone_is_better_than_nothing() -> None:
    log = parse_log(NOISE)
    assert log.broken_off and "Failed to apply GPU delegate." in log.reasons and len(log.reasons) == 5


def test_a_delegate_that_takes_nothing() -> None:
    log = parse_log(
        "ERROR: Following operations are not supported by GPU delegate:\n"
        "CAST: Not supported cast case\n"
        "No operations will run on the GPU, and all 2 operations will run on the CPU.\n"
        f"INFO: Created 0 GPU delegate kernels.\n{NO_GPU}\nERROR: unrelated: words\n"
    )
    assert (log.gpu.taken, log.gpu.left, log.gpu.partitions) == (0, 2, 0)
    assert log.gpu.rejections == ("CAST: Not supported cast case",)


def test_a_list_of_rejections_that_is_cut_short_takes_in_nothing_else() -> None:
    log = "ERROR: Following operations are not supported by GPU delegate:\nCAST: why\nINFO: Created 1 GPU delegate kernels."
    found = read_gpu_delegation(f"{log}\nVERBOSE: Replacing: something")
    assert found.rejections == ("CAST: why",) and found.partitions == 1 and found.taken is None


def test_refused_nodes_are_those_of_the_listed_ops() -> None:
    nodes = {"STRIDED_SLICE": 37, "CONV_2D": 500, "CAST": 5}
    assert refused_at_most(("STRIDED_SLICE: one reason", "STRIDED_SLICE: another"), nodes) == 37
    assert refused_at_most(("STRIDED_SLICE: why", "CAST: why", "GELU: why"), nodes) == 42
    assert refused_at_most((), nodes) is None


@pytest.mark.parametrize(
    ("line", "partitions"),
    [
        (
            "Replacing 366 out of 366 node(s) with delegate (D) node, yielding 1 partitions for subgraph 0 (main).",
            1,
        ),
        ("Replacing 366 out of 366 node(s) with delegate (D) node, yielding 1 partitions.", 1),
        # Parts that stay on the processor are counted, too.
        (
            "Replacing 2 out of 3 node(s) with delegate (D) node, yielding 3 partitions for subgraph 0 (main).",
            None,
        ),
    ],
)
def test_replaced_nodes(line: str, partitions: int | None) -> None:
    log = parse_log(f"VERBOSE: {line}")
    assert log.partitions == partitions and (log.delegated_nodes, log.total_nodes) in {(366, 366), (2, 3)}


NUMBERS = st.floats(min_value=0, max_value=1e10, allow_nan=False).map(lambda value: float(f"{value:.6g}"))
PREFIXES = st.sampled_from(
    ["", "INFO: ", "05-22 11:37:29.123  1234  1239 I tflite  : ", "I/tflite  ( 1234): INFO: "]
)


def as_cpp(value: float) -> str:
    """C++'s default form: six digits, an exponent where it is shorter."""
    return f"{value:g}"


@given(
    first=NUMBERS, average=NUMBERS, low=NUMBERS, high=NUMBERS, deviation=NUMBERS, count=st.integers(1, 10**6),
    prefix=PREFIXES, percentiles=st.booleans(),
    noise=st.lists(st.text(st.characters(exclude_characters="=")), max_size=3),
)  # fmt: skip
def test_every_value_put_in_comes_out(
    first: float, average: float, low: float, high: float, deviation: float, count: int,
    prefix: str, percentiles: bool, noise: list[str],
) -> None:  # fmt: skip
    line = f"count={count} first={as_cpp(first)} curr={as_cpp(high)} min={as_cpp(low)} max={as_cpp(high)}"
    line += f" avg={as_cpp(average)} std={as_cpp(deviation)}"
    if percentiles:
        line += f" p5={as_cpp(low)} median={as_cpp(average)} p95={as_cpp(high)}"
    timings = f"Inference timings in us: Init: 12, First inference: {as_cpp(first)}, Warmup (avg): 1, "
    timings += f"Inference (avg): {as_cpp(average)}"
    text = "\n".join([*noise, f"{prefix}count=1 curr=5", f"{prefix}{line}", *noise, f"{prefix}{timings}"])
    log = parse_log(text)
    assert log.timed is not None
    assert (log.timed.count, log.timed.first, log.timed.min) == (count, first, low)
    assert (log.timed.max, log.timed.avg, log.timed.std) == (high, average, deviation)
    assert (log.timed.median, log.timed.p95) == ((average, high) if percentiles else (None, None))
    assert (log.init_us, log.first_us, log.avg_us) == (12, first, average)


@given(st.text())
def test_no_text_makes_the_readers_fail(text: str) -> None:
    parse_log(text)
    parse_op_table(text)
    clean_line(text)


@given(st.lists(st.integers(0, len(CLASSIC) - 1), max_size=4), st.text(max_size=5))
def test_damaged_logs_do_not_make_the_reader_fail(places: list[int], scrap: str) -> None:
    text = CLASSIC + TABLE
    for place in places:
        text = text[:place] + scrap + text[place + 1 :]
    parse_log(text)
    parse_op_table(text)


def table(columns: list[str], rows: list[list[str]], title: str = "Run Order") -> str:
    head = f"============================== {title} ==============================\n\t"
    return head + "\t".join(f"             [{name}]" for name in columns) + "\n" + "".join(
        "\t" + "\t".join(f"   {cell}" for cell in row) + "\n" for row in rows
    )  # fmt: skip


NEW = ["node type", "first", "avg ms", "%", "cdf%", "mem KB", "times called", "Name"]
OLD = ["node type", "start", "first", "avg ms", "%", "cdf%", "mem KB", "times called", "Name"]
NEW_ROWS = [
    ["CONV_2D", "1.5", "1.25", "62.500%", "62.500%", "0.000", "1", "[a/Conv]:0"],
    ["ADD", "0.8", "0.75", "37.500%", "100.000%", "4.000", "2", "[b/add;c]:1"],
]
OLD_ROWS = [[row[0], "0.000", *row[1:]] for row in NEW_ROWS]
REGULAR = "Operator-wise Profiling Info for Regular Benchmark Runs:\n"
TABLE = (
    "Profiling Info for Benchmark Initialization:\n"
    + table(NEW, [["ModifyGraphWithDelegate", "9", "9", "100%", "100%", "0", "1", "ModifyGraphWithDelegate/0"]])
    + "\n\n" + REGULAR + table(NEW, NEW_ROWS) + "\n" + table(NEW, NEW_ROWS[::-1], "Top by Computation Time")
    + "\nNumber of nodes executed: 2\n"
)  # fmt: skip


@pytest.mark.parametrize(("columns", "rows"), [(NEW, NEW_ROWS), (OLD, OLD_ROWS)])
def test_op_tables_as_text(columns: list[str], rows: list[list[str]]) -> None:
    text = TABLE if columns is NEW else REGULAR + table(columns, rows)
    found = parse_op_table("".join(f"INFO: {line}\n" for line in text.splitlines()))
    assert [(row.node_type, row.name, row.first_ms, row.avg_ms) for row in found] == [
        ("CONV_2D", "a/Conv", 1.5, 1.25),
        ("ADD", "b/add;c", 0.8, 0.75),
    ]
    assert [(row.percent, row.mem_kb, row.times_called) for row in found] == [(62.5, 0.0, 1), (37.5, 4.0, 2)]


def test_op_tables_as_csv() -> None:
    text = (
        "node type, first, avg_ms, %, cdf%, mem KB, times called, name\n"
        "CONV_2D, 1.5, 1.25, 62.5%, 62.5%, 0, 1, [a/Conv]:0\n"
        'ADD, 0.8, 0.75, 37.5%, 100%, 4, 2, "[b, c]:1"\n\n'
        "node type, first, avg_ms, %, cdf%, mem KB, times called, name\n"
        "ADD, 0.8, 0.75, 37.5%, 100%, 4, 2, [b]:1\n"
    )
    found = parse_op_table(text)
    assert [(row.node_type, row.name, row.avg_ms) for row in found] == [
        ("CONV_2D", "a/Conv", 1.25),
        ("ADD", "b, c", 0.75),
    ]


def test_a_delegates_own_nodes_are_marked() -> None:
    inner = [["Convolution (NHWC, F32) IGEMM", "1", "1", "100%", "100%", "0", "1", "Delegate/Convolution:0"]]
    text = REGULAR + table(NEW, NEW_ROWS) + "\nDelegate internal: \n" + table(NEW, inner)
    assert [(row.node_type, row.inside_delegate) for row in parse_op_table(text)] == [
        ("CONV_2D", False),
        ("ADD", False),
        ("Convolution (NHWC, F32) IGEMM", True),
    ]


def test_a_delegates_nodes_in_the_main_table_are_marked() -> None:
    rows = [
        [
            "Convolution (NHWC, F32) IGEMM",
            "1",
            "1",
            "25%",
            "25%",
            "0",
            "2",
            "Delegate/Convolution (NHWC, F32) IGEMM:7",
        ],
        ["CONV_2D", "1", "1", "25%", "50%", "0", "1", "[a/Conv:0]:12"],
        ["TfLiteXNNPackDelegate", "1", "1", "25%", "75%", "0", "1", "[b]:13"],
        ["TfLiteGpuDelegateV2", "1", "1", "25%", "100%", "0", "1", "[c]:14"],
    ]
    found = parse_op_table(REGULAR + table(NEW, rows))
    assert [(row.name, row.index, row.inside_delegate, row.is_delegate_kernel) for row in found] == [
        ("Convolution (NHWC, F32) IGEMM", 7, True, False),
        ("a/Conv:0", 12, False, False),
        ("b", 13, False, True),
        ("c", 14, False, True),
    ]
