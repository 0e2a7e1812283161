"""The lab as a whole, within this process: the same records as on one machine, whatever is lost on the way."""

import shutil
import socket
import ssl
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
from click.testing import CliRunner
from distributed import Client
from distributed.security import Security
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bench.lab.connection
import bench.lab.engine
import bench.lab.site
from bench.artifact import ModelVariant
from bench.cli import main
from bench.errors import BenchError
from bench.fingerprints import sha256_of
from bench.lab import Lab
from bench.lab.certificates import Certificates, Member
from bench.lab.connection import Connection, LabWorker
from bench.lab.engine import checked_address, require_engine, security_for
from bench.lab.facts import Facts
from bench.lab.orders import Launched
from bench.lab.scheduler import serve
from bench.lab.site import run_of
from bench.lab.status import described, look
from bench.progress import Reporter
from bench.run import ZooOptions, plan, zoo
from bench.run.convert import convert
from devices import DeviceError
from models_zoo import resolve
from reports.store import RECORDS, RecordStore
from tests.bench.lab_setup import LabHere, Launches, lab_here
from tests.bench.stand_in_device import StandInDevice
from tests.bench.test_bench_run import MODEL
from tests.reports.make_records import a_record


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("tls://desk", "tls://desk:8786"),
        ("tls://10.0.0.1:9/", "tls://10.0.0.1:9"),
        ("tcp://127.0.0.1", "tcp://127.0.0.1:8786"),
        ("tcp://[::1]:7", "tcp://[::1]:7"),
        ("tcp://localhost:7", "tcp://localhost:7"),
    ],
)
def test_addresses_of_a_lab(url: str, address: str) -> None:
    assert checked_address(url) == address


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("tcp://desk:8786", "write tls://desk:8786"),
        ("tcp://10.0.0.1", "write tls://10.0.0.1:8786"),
        ("desk", "is no address of a lab; write tls://HOST:8786"),
        ("http://desk", "is no address of a lab"),
        ("tls://desk:x", "is no address of a lab"),
    ],
)
def test_without_certificates_a_lab_is_one_machine(url: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        checked_address(url)


def test_without_certificates_a_scheduler_listens_on_this_machine_alone(tmp_path: Path) -> None:
    with pytest.raises(
        BenchError, match="without certificates a scheduler listens on this machine's own address"
    ):
        serve("0.0.0.0", 0, None, False, 1.0, print)
    with lab_here(tmp_path) as lab:
        lab.join("desk")
        listening = [c.laddr for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN]
        assert len(listening) >= 3 and {place.ip for place in listening} == {"127.0.0.1"}


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"there are no certificates of a lab in .*copy the folder member/"):
        security_for("tls://desk:8786", tmp_path)
    monkeypatch.setattr(bench.lab.engine, "find_spec", lambda name: None)
    with pytest.raises(BenchError, match=r"pip install 'nobuco\[bench,lab\]'"):
        require_engine()
    result = CliRunner().invoke(main, ["lab", "status", "tcp://127.0.0.1:1"])
    assert result.exit_code == 1 and "pip install" in result.output and "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["worker", "tcp://127.0.0.1", "--device", "host"],
            "--device host: this machine is not measured in a lab",
        ),
        (["worker", "tcp://127.0.0.1", "--name", "a/b"], "--name a/b: must be a name without a slash"),
        (["worker", "tcp://desk"], "write tls://desk:8786"),
        (
            ["worker", "tls://desk", "--certificates", "/nowhere"],
            "there are no certificates of a lab in /nowhere",
        ),
        (["scheduler", "--no-certificates", "--host", "10.0.0.1"], "--host 10.0.0.1: without certificates"),
        (["status", "tcp://127.0.0.1:1"], "no scheduler answers there"),
    ],
)
def test_a_mistake_has_one_message(arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.lab.connection, "_CONNECT_SECONDS", 1.0)
    result = CliRunner().invoke(main, ["lab", *arguments])
    assert result.exit_code == 1 and said in result.output and "Traceback" not in result.output


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    member = Certificates(tmp_path / "lab").make()
    assert {
        path.stat().st_mode & 0o777 for path in (*member.files, tmp_path / "lab" / "authority-key.pem")
    } == {0o600}
    assert not (member.key.parent / "authority-key.pem").exists()


def test_only_members_are_let_in(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    Certificates(ours).make()
    stranger = Certificates(theirs).make()
    with lab_here(tmp_path / "hosts", certificates=ours) as lab:
        lab.join("desk")
        connection = Connection(lab.address, ours)
        assert [worker.name for worker in connection.workers()] == ["desk/convert"]
        connection.close()
        with pytest.raises(BenchError, match="does not accept this client's certificate"):
            Connection(lab.address, theirs)
        # Somebody who trusts whatever it finds, and shows nothing, or another lab's certificate.
        for shown in (None, stranger):
            with pytest.raises(ssl.SSLError):
                _first_byte(shown, lab)
        assert len(_first_byte(Certificates(ours).member(), lab)) == 1
        with pytest.raises((OSError, TimeoutError)):
            Client(lab.address.replace("tls", "tcp"), timeout=2, security=Security(require_encryption=False))


def _first_byte(shown: Member | None, lab: LabHere) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    with (
        socket.create_connection(("127.0.0.1", lab.scheduler.port), timeout=10) as plain,
        context.wrap_socket(plain) as secure,
    ):
        assert secure.version() in ("TLSv1.2", "TLSv1.3")
        return secure.recv(1)


def options(tmp_path: Path, **changes: Any) -> ZooOptions:
    (tmp_path / "mine.py").write_text(MODEL)
    chosen: dict[str, Any] = {
        "models": [f"{tmp_path}/mine.py:make"],
        "converters": ["nobuco"],
        "devices": ["adb:PHONE"],
        "rounds": 3,
        "out": tmp_path / "out",
    }
    return ZooOptions(**{**chosen, **changes})


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny model's file in it, which a machine of a lab made and this one found right."""
    folder = tmp_path_factory.mktemp("converted")
    with lab_here(tmp_path_factory.mktemp("hosts")) as lab, Lab(lab.address) as site:
        lab.join("desk")
        assert [each.made for each in plan(options(folder, devices=["host"])).conversions] == [False]
        (prepared,) = convert(options(folder), site=site)
        assert prepared.reason is None and not prepared.earlier
        assert Counter(site.transfer.sent).most_common(1)[0][1] == 1, "a user's own file was sent twice"
        (again,) = convert(options(folder), site=site)
        assert again.earlier and again.record.started == prepared.record.started
    (file,) = (folder / "out" / "artifacts").rglob("model.tflite")
    assert prepared.record.provenance.file_sha256 == sha256_of(file)
    return folder


@pytest.fixture
def made(converted: Path, tmp_path: Path) -> Path:
    """The same for one test. The models are known by their paths: it has another output folder alone."""
    shutil.copytree(converted / "out" / "artifacts", tmp_path / "out" / "artifacts")
    return tmp_path / "out"


def test_a_run_in_a_lab_gives_what_it_gives_here(
    converted: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launches = Launches()
    launches.install(monkeypatch, "adb:PHONE")
    chosen = options(converted, out=made)
    # By a client that the user has.
    with lab_here(tmp_path / "hosts") as lab, Client(lab.address, set_as_default=False) as client:
        phone = lab.join("shelf", "adb:PHONE")
        site = Lab(client)
        assert [c.made for c in plan(chosen, site=site).conversions] == [True]
        result = zoo(chosen, site=site)
        (row,) = result.rows
        assert row["launches"] == 3 and result.troubles == []
        sent = Counter(site.transfer.sent)
        assert sent and set(sent.values()) == {1}, "a file was sent twice to a host"
        records = RecordStore(made / RECORDS).read().records
        assert [r.host for r in records] == ["shelf"] * 3 and len({r.launch for r in records}) == 3

        # Nothing of it is done again; what the client's store has lost is brought back by the machines.
        assert zoo(chosen, site=site).rows == result.rows and len(launches.done) == 3
        (made / RECORDS).unlink()
        assert zoo(chosen, site=Lab(client)).rows == result.rows and len(launches.done) == 3

        # A phone that comes back on another machine is the same phone.
        lab.leave(phone)
        lab.join("table", "adb:PHONE")
        (row,) = zoo(replace(chosen, rounds=4), site=Lab(client)).rows
        assert row["launches"] == 4 and len(launches.done) == 4
        with pytest.raises(BenchError, match="host: means this machine; in a lab, name devices: adb:PHONE"):
            zoo(replace(chosen, devices=["host"]), site=Lab(client))


def test_a_scheduler_that_is_lost_loses_nothing(
    converted: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launches = Launches()
    launches.install(monkeypatch, "adb:PHONE")
    with lab_here(tmp_path / "hosts") as lab:
        lab.join("shelf", "adb:PHONE")

        def meanwhile() -> None:
            if len(launches.done) == 2:
                lab.restart()

        launches.meanwhile = meanwhile
        with Lab(lab.address, patience=60) as site:
            result = zoo(options(converted, rounds=4, out=made), site=site)
        assert result.troubles == [] and [row["launches"] for row in result.rows] == [4]
        assert Counter(launches.done).most_common(1)[0][1] == 1, "a launch was made twice"


def test_a_lost_phone_is_tried_again_and_its_failure_is_kept(
    converted: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launches = Launches()
    launches.install(monkeypatch, "adb:PHONE")
    with lab_here(tmp_path / "hosts") as lab:
        lab.join("shelf", "adb:PHONE")
        chosen = options(converted, rounds=2, out=made)

        def mend() -> None:
            launches.losing -= 1

        launches.losing, launches.meanwhile = 2, mend
        with Lab(lab.address, patience=60) as site:
            result = zoo(chosen, site=site)
            assert result.troubles == [] and [row["launches"] for row in result.rows] == [2]
            assert len(launches.done) == 3, "one was lost, and made again"
            launches.losing, launches.meanwhile = 99, lambda: None
            zoo(replace(chosen, rounds=3), site=site)
            assert len(launches.done) == 6, "three attempts"
            failed = RecordStore(made / RECORDS).read().records[-1]
            assert (failed.stage, failed.error, failed.host) == ("device", "the cable", "shelf")
            launches.losing = 0
            (row,) = zoo(replace(chosen, rounds=3), site=site).rows
            assert row["launches"] == 3 and len(launches.done) == 7, "it was not made up for"


def test_what_nobody_offers_is_waited_for_and_then_said(tmp_path: Path) -> None:
    with lab_here(tmp_path / "hosts", patience=2.0) as lab, Lab(lab.address, patience=2.0) as site:
        with pytest.raises(DeviceError, match="there is no worker in the lab, for 2 s"):
            site.target("adb:NOWHERE", Reporter())
        lab.join("desk", megabytes=100.0)
        with pytest.raises(
            DeviceError, match="adb:NOWHERE: what it is: no machine of the lab offers device adb:NOWHERE"
        ):
            site.target("adb:NOWHERE", Reporter())
        with pytest.raises(DeviceError, match="no machine of the lab has it; there are: none is there now"):
            site.known("adb:NOWHERE", Reporter())
        (prepared,) = convert(options(tmp_path), site=site)
        assert "no machine of the lab may use more than 0 GB" in str(prepared.reason)


def test_the_state_of_a_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Launches().install(monkeypatch, "adb:PHONE")
    with lab_here(tmp_path) as lab:
        lab.join("desk")
        lab.join("shelf", "adb:PHONE")
        found = look(lab.address, None)
        assert [(w.name, w.device, w.abi) for w in found.workers] == [
            ("desk/convert", None, None),
            ("shelf/adb:PHONE", "adb:PHONE", "arm64"),
        ]
        with Client(lab.address, set_as_default=False) as client:
            waiting = client.submit(
                int, 1, key="launch-0: net on adb:GONE (1)", resources={"device adb:GONE": 1}
            )
            lab.wait_until(lambda: "launch-0: net on adb:GONE (1)" in lab.scheduler.tasks)
            said = described(look(lab.address, None))
            waiting.cancel()
    assert "waits  net on adb:GONE: no machine offers device adb:GONE" in said
    assert "converts, in up to 4.0 GB" in said and "Stand-in, arm64" in said


def test_a_worker_waits_for_its_scheduler_and_ends_when_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lab_here(tmp_path) as lab:
        first = lab.join("desk")
        double = lab.join("desk", wait=False)
        lab.wait_until(lambda: "a worker of this name is there already" in capsys.readouterr().err)
        lab.leave(first)
        lab.wait_until(lambda: double.configuration.name in lab.names())
        lab.stop_scheduler()
        lab.leave(double)


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (
            [("desk", "adb:A", "1"), ("shelf", "adb:A", "1")],
            "is attached in two places of the lab, desk/adb:A, shelf/adb:A",
        ),
        (
            [("desk", "adb:A", "1"), ("shelf", "adb:10.0.0.7:5555", "1")],
            "is attached in two places of the lab",
        ),
        ([("desk", "adb:A", "1"), ("shelf", "adb:A", "2")], "two devices of the lab have this name"),
        ([("desk", "adb:A", "1"), ("shelf", "adb:B", "2"), ("table", "arm", None)], None),
    ],
)
def test_a_phone_is_in_one_place(places: list[tuple[str, str, str | None]], said: str | None) -> None:
    class Machines:
        """A lab of these machines."""

        class connection:
            @staticmethod
            def workers() -> list[LabWorker]:
                return [
                    LabWorker(
                        f"{host}/{name}",
                        host,
                        Facts(host, host, "p", StandInDevice(name).info(), serial, 0),
                        {},
                    )
                    for host, name, serial in places
                ]

    lab: Any = Machines()
    with pytest.raises(BenchError, match=said) if said else nullcontext():
        Lab._require_one_place(lab, "adb:A")


LAUNCHES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(here=st.sets(st.integers(0, 3)), hosts=st.lists(LAUNCHES, max_size=3))
def test_records_of_many_machines_are_merged_by_their_launch(
    tmp_path_factory: pytest.TempPathFactory, here: set[int], hosts: list[list[tuple[int, int]]]
) -> None:
    chosen = ZooOptions(out=tmp_path_factory.mktemp("out"))
    store = RecordStore(chosen.out / RECORDS)

    def record(number: int, host: str, when: int) -> Any:
        facts = {"launch": f"key/{number} #0", "host": host, "started": f"2026-01-01T00:00:0{when}+00:00"}
        return a_record(round_number=number).model_copy(update=facts)

    for number in here:
        store.append(record(number, "h0", 0))
    measured = [
        [Launched(record(n, f"h{i}", when), None) for n, when in made] for i, made in enumerate(hosts)
    ]

    class Machines:
        """A lab of these machines."""

        _tried: ClassVar[dict[str, Counter[str]]] = {}

        class connection:
            @staticmethod
            def workers() -> list[Any]:
                facts = [
                    type("Facts", (), {"host_id": str(i), "host": f"h{i}"}) for i in range(len(measured))
                ]
                return [type("Worker", (), {"facts": f, "address": i}) for i, f in enumerate(facts)]

            @staticmethod
            def on_worker(address: int, function: object, run: str) -> list[Launched]:
                assert run == run_of(chosen.out)
                return measured[address]

    lab: Any = Machines()
    Lab.collect(lab, chosen, store, Reporter())
    launches = [each.launch for each in store.read().records]
    assert len(launches) == len(set(launches)), "a launch counts twice"
    assert set(launches) == {f"key/{n} #0" for n in here | {n for made in hosts for n, _ in made}}
    before = (chosen.out / RECORDS).read_bytes() if launches else b""
    Lab.collect(lab, chosen, store, Reporter())
    assert not launches or (chosen.out / RECORDS).read_bytes() == before


def test_a_model_of_the_zoo_asks_for_its_memory() -> None:
    (spec,) = resolve(["mobilenet_v2"])
    asked = bench.lab.site.resources.for_conversion(
        bench.lab.site.expected_bytes(ModelVariant(spec, "random", 0)) / 1e6, "p"
    )
    assert 1000 < asked["convert"] < 2000 and asked["program p"] == 1
