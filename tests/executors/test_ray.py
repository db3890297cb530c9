"""The executor on Ray: what is refused before anything runs, and a cluster that loses a node."""

from __future__ import annotations

import os
import signal
import sys
import time
import types
from pathlib import Path

import pytest
from running import TINY, command, ended, marked, results, start, wait_until

from genbench.base.errors import InvalidInput
from genbench.contract.jobs import Job
from genbench.executors import ray as module
from genbench.executors.ray import RayExecutor, _different
from genbench.runs.store import Folder

PLUGIN = """\
import genbench

@genbench.measure(family="output", direction="+", source="this test")
def mean_output(model, inputs):
    return model(inputs).mean()
"""

SUITE = TINY.replace('"random"]', '"seed_disagreement"]').replace("width = 8", "width = [8, 9, 10]")


def refused(suite: Path, folder: Path, *words: object) -> tuple[int, str]:
    """Exit code and the one line of a command that must not have run anything."""
    found = command("run", "--suite", suite, "--out", folder / "run", *words)
    assert not (folder / "run").exists()
    assert found.out == ""
    (line,) = [each for each in found.err.splitlines() if each.startswith("genbench: ")]
    return found.code, line


def test_without_ray_it_is_said_how_to_install_it(tiny_suite, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, line = refused(tiny_suite, tmp_path, "--executor", "ray")
    assert (code, "pip install 'genbench[ray]'" in line) == (2, True)


def test_an_address_and_settings_belong_to_executors_that_have_them(tiny_suite, tmp_path):
    code, line = refused(tiny_suite, tmp_path, "--address", "auto")
    assert (code, "executor 'local' works on this machine" in line) == (2, True)
    code, line = refused(tiny_suite, tmp_path, "--executor", "ray[gpu=0.5]")
    assert (code, "unknown setting 'gpu'; did you mean 'gpus'?" in line) == (2, True)


def test_an_address_where_nothing_answers_is_told_at_once(tiny_suite, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed")
    began = time.monotonic()
    code, line = refused(tiny_suite, tmp_path, "--executor", "ray", "--address", "127.0.0.1:1")
    assert (code, "no Ray cluster answers at '127.0.0.1:1'" in line) == (3, True)
    assert time.monotonic() - began < 60


def test_what_differs_between_driver_and_node_is_named():
    own = {"Python": "3.11.7", "torch": "2.6", "plugin mine": "1.0"}
    assert _different("node a", {"Python": "3.11.7", "torch": "2.5", "extra": "1"}, own) == [
        "node a has torch 2.5, the driver 2.6",
        "node a has plugin mine not at all, the driver 1.0",
    ]


def test_a_node_with_other_versions_ends_the_command_before_anything_runs(monkeypatch):
    for name in ("ray", "ray.util", "ray.util.scheduling_strategies"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["ray.util.scheduling_strategies"].NodeAffinitySchedulingStrategy = lambda *given, **more: None
    own = module.versions()
    answers = iter(
        [own, {**own, "torch": "0.0"}, Fault("Traceback:\nModuleNotFoundError: No module named 'genbench'")]
    )
    fake = FakeRay(lambda number, key: False)
    fake.nodes = lambda: [
        {"Alive": name != "d", "NodeID": name, "NodeManagerAddress": name} for name in "abcd"
    ]

    class Asked:
        def options(self, **given):
            return self

        def remote(self):
            return fake.call(next(answers))

    fake.remote = lambda function: Asked()
    engine = object.__new__(RayExecutor)
    engine._ray = fake
    with pytest.raises(InvalidInput) as refused:
        engine._check_versions()
    assert refused.value.problems == [
        f"node b has torch 0.0, the driver {own['torch']}",
        "node c cannot say its versions: ModuleNotFoundError: No module named 'genbench'",
        "nothing was run; install the same versions on all nodes",
    ]


def test_a_cluster_of_another_python_is_told_as_such():
    def init(**given):
        raise RuntimeError(
            "Version mismatch: The cluster was started with:\n    Python: 3.10.1\nThis process: 3.11.7"
        )

    fake = FakeRay(lambda number, key: False)
    fake.is_initialized = lambda: False
    fake.init = init
    with pytest.raises(
        InvalidInput, match=r"other versions than the driver: .*3\.10\.1 This process: 3\.11\.7"
    ):
        module._connect(fake, "auto")


class Fault(Exception):
    """Stands for Ray's own errors."""


class Dead(Fault):
    """Stands for the death of an actor."""


class FakeRay:
    """Actors that answer at once, or die as a script says; nothing else of Ray."""

    class exceptions:  # noqa: N801  (as Ray calls its module)
        RayError, RayActorError = Fault, Dead

    def __init__(self, dies):
        self.dies = dies
        self.answers: dict[int, object] = {}
        self.done: list[str] = []
        self.killed = 0

    def call(self, answer: object) -> int:
        self.answers[len(self.answers)] = answer
        return len(self.answers) - 1

    def wait(self, calls, num_returns, timeout):
        return calls[:num_returns], calls[num_returns:]

    def get(self, call, timeout=None):
        answer = self.answers[call]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def put(self, content):
        return content

    def kill(self, actor):
        self.killed += 1

    def is_initialized(self):
        return True

    def shutdown(self): ...


class FakeActor:
    """An actor handle: ``actor.method.remote(...)``."""

    def __init__(self, ray: FakeRay, number: int):
        self.ray, self.number = ray, number
        self.where, self.do, self.close = (Method(each) for each in (self._where, self._do, lambda: None))

    def _where(self):
        from genbench.executors.remote import versions

        return self.ray.call({"node": f"n{self.number}", "slots": 1, "versions": versions()})

    def _do(self, parcel):
        key = parcel["job"]["key"]
        if self.ray.dies(self.number, key):
            return self.ray.call(Dead("the node is gone"))
        self.ray.done.append(key)
        return self.ray.call({"outcome": {"status": "ok", "job": None}, "files": {}})


class Method:
    def __init__(self, function):
        self.remote = function


def executor(dies, workers: int = 2) -> tuple[RayExecutor, FakeRay, list[str]]:
    """A Ray executor on a fake cluster; the lines that it said."""
    fake, lines, made = FakeRay(dies), [], []

    class Made(RayExecutor):
        def _room(self, device, workers, gpus):
            return "cpu", workers

        def _check_versions(self): ...

    class Actors:
        def options(self, **asked):
            return self

        def remote(self, device, options):
            made.append(FakeActor(fake, len(made)))
            return made[-1]

    fake.remote = lambda function: Actors()  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_imported", lambda: fake)
        patch.setattr(module, "_connect", lambda ray, address: None)
        return Made(workers=workers, say=lines.append), fake, lines


def job(key: str) -> Job:
    data = {"name": "digits", "version": 1, "source": "", "settings": {}}
    return Job(
        kind="train", key=key, trial={"dataset": data, "checksum": "0", "threads": 1}, folder="", plugins=[]
    )


def test_every_job_has_one_outcome_though_workers_die():
    engine, fake, lines = executor(lambda number, key: number < 2 and key in ("1", "4"))
    ids = [engine.submit(job(str(number))) for number in range(8)]
    outcomes = list(engine.results())
    assert sorted(each.job.id for each in outcomes) == sorted(ids)
    assert {each.status for each in outcomes} == {"ok"}
    assert sorted(fake.done) == sorted(map(str, range(8))), "nothing twice"
    assert any("is lost; what it had begun is done again" in line for line in lines)
    before = fake.killed
    engine.close()
    assert fake.killed == before + 2


def test_a_job_that_kills_whoever_does_it_is_given_up():
    engine, _, _ = executor(lambda number, key: key == "3")
    for number in range(6):
        engine.submit(job(str(number)))
    statuses = {each.job.key: each.status for each in engine.results()}
    assert statuses == {str(number): "crashed" if number == 3 else "ok" for number in range(6)}


def test_a_job_that_was_cancelled_in_the_queue_is_not_done():
    engine, fake, _ = executor(lambda number, key: False)
    ids = [engine.submit(job(str(number))) for number in range(3)]
    engine.cancel(ids[2])
    assert sorted((each.job.key, each.status) for each in engine.results()) == [
        ("0", "ok"), ("1", "ok"), ("2", "cancelled"),
    ]  # fmt: skip
    assert sorted(fake.done) == ["0", "1"]


def test_the_nodes_are_told_with_what_each_has_done():
    engine, _, lines = executor(lambda number, key: False)
    engine.submit(job("0"))
    list(engine.results())
    assert lines == ["Ray: n0 1, n1 1 workers"]


@pytest.fixture
def cluster(cache, tmp_path):
    """A head without cores and two nodes, each processes of their own on this machine, with a cache of theirs."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'genbench[ray]'")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as nodes:
        nodes.setenv("GENBENCH_CACHE", str(tmp_path / "cache of the nodes"))
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        made.nodes_of_work = [made.add_node(num_cpus=2) for _ in range(2)]
    made.wait_for_nodes()
    yield made
    made.shutdown()


@pytest.fixture
def plugin_file(tmp_path) -> Path:
    (tmp_path / "carried.py").write_text(PLUGIN)
    return tmp_path / "carried.py"


@pytest.fixture
def suite(tmp_path) -> Path:
    (tmp_path / "twelve.toml").write_text(SUITE)
    return tmp_path / "twelve.toml"


def fits(run: Path) -> int:
    return len(list((run / "fits").glob("*/fit.json"))) if (run / "fits").is_dir() else 0


def assert_same_as_local(run: Path, scratch: Path, *words: object) -> None:
    """The run is to the byte what one on this machine would have been, and has every value once."""
    local = command("run", *words, "--out", scratch / "local", "--workers", 2)
    assert local.code == 0, local.err
    assert results(run, scratch) == results(scratch / "local", scratch)
    for key in Folder(run).fit_keys():
        measures = [each["measure"] for content in Folder(run).passes(key) for each in content["values"]]
        assert len(measures) == len(set(measures))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_node_is_killed_in_the_middle_and_every_trial_is_there_once(cluster, suite, plugin_file, tmp_path):
    run = tmp_path / "run"
    words = (
        "--suite",
        suite,
        "--plugin",
        plugin_file,
        "--measures",
        "mean_output,param_norm,seed_disagreement",
    )
    driver = start("run", *words, "--out", run, "--executor", "ray", "--address", cluster.address)
    wait_until(lambda: fits(run) >= 3 or driver.poll() is not None, "some fits are there")
    plugin_file.unlink()  # what travels is its text
    cluster.remove_node(cluster.nodes_of_work[1], allow_graceful=False)
    over = ended(driver)
    assert over.code == 0, over.err
    assert "12 trials: 12 trained now" in over.err
    assert "is lost; what it had begun is done again" in over.err
    assert list((tmp_path / "cache of the nodes" / "prepared").iterdir()), "data travelled"
    plugin_file.write_text(PLUGIN)
    assert_same_as_local(run, tmp_path, *words)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_driver_is_killed_and_another_goes_on(cluster, suite, tmp_path):
    run = tmp_path / "run"
    words = ("run", "--suite", suite, "--out", run, "--executor", "ray", "--address", cluster.address)
    driver = start(*words, mark=str(tmp_path))
    wait_until(lambda: fits(run) >= 3 or driver.poll() is not None, "some fits are there")
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    before = fits(run)
    over = ended(start(*words, mark=str(tmp_path)))
    assert over.code == 0, over.err
    assert f"12 trials: {12 - before} trained now" in over.err
    wait_until(lambda: not marked(str(tmp_path)), "no process is left")
    assert_same_as_local(run, tmp_path, "--suite", suite)
