import inspect
import subprocess
import sys

import genbench
from genbench import datasets
from genbench.contract.components import declaration
from genbench.host.signatures import describe


def components():
    modules = [getattr(datasets, name) for name in datasets.__all__]
    found = [each for module in modules for _, each in inspect.getmembers(module, declaration)]
    return {declaration(each).name: describe(each, "core") for each in found}


def test_all_data_sets_are_there():
    assert set(components()) == {
        "cifar10", "cifar10-crops", "cifar10-jpeg", "cifar10-jpeg-crops", "cifar10-jpeg-small", "cifar100",
        "digits", "fashion-mnist", "images", "mnist", "noisy-zeros", "polynomial", "sequential-digits", "sequential-mnist",
        "svhn",
    }  # fmt: skip


def test_planning_needs_no_data_but_for_the_users_own_pictures():
    declared = {name: each.declared for name, each in components().items()}
    undeclared = {name for name, each in declared.items() if each.checksum is None or each.task is None}
    assert undeclared == {"images"}
    for name in declared.keys() - undeclared:
        task, settings = declared[name].task, components()[name].defaults()
        assert isinstance(task(**settings) if callable(task) else task, genbench.Task)


def test_declared_sizes_are_those_of_the_data():
    for name, settings in (
        ("digits", {"test_fraction": 0.5}),
        ("digits", {"test_fraction": 0.13}),
        ("sequential-digits", {"step": "row", "test_fraction": 0.3}),
        ("polynomial", {"train_points": 17}),
        ("noisy-zeros", {"train_points": 9}),
    ):
        component = components()[name]
        settings = {**component.defaults(), **settings}
        declared = component.declared.examples(**settings)
        assert declared == len(component.object(None, **settings).train.targets), (name, settings)


def test_checksums_tell_data_sets_apart():
    checksums = [each.declared.checksum for each in components().values()]
    assert len(set(checksums)) == len(checksums)


def test_importing_the_room_loads_no_other_library_of_data():
    script = (
        "import sys, genbench.datasets;"
        "print([name for name in ('torchvision', 'sklearn', 'scipy.io') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
