import pytest
import torch

from genbench.training.determinism import cuda_algorithms, global_stream

CPU = torch.device("cpu")


def test_global_stream_is_seeded_and_put_back():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    draws = []
    for _ in range(2):
        with global_stream(CPU, 2**64 - 1):
            draws.append(torch.rand(3))
    assert torch.equal(*draws)
    assert torch.equal(torch.get_rng_state(), before)


def test_global_stream_is_put_back_after_an_error():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), global_stream(CPU, 3):
        1 / int(torch.rand(1))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_cpu_needs_no_settings():
    with cuda_algorithms(CPU, True):
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("deterministic", [True, False])
def test_cuda_settings_are_put_back(deterministic, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = torch.backends.cudnn.benchmark
    with cuda_algorithms(torch.device("cuda"), deterministic):
        assert torch.are_deterministic_algorithms_enabled() is deterministic
        assert torch.backends.cudnn.benchmark is not deterministic
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.benchmark is before


@pytest.mark.parametrize(("precision", "allowed"), [("float32", False), ("tf32", True), ("bfloat16", True)])
def test_tf32_is_used_in_the_precisions_below_float32_only(precision, allowed):
    def flags():
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    before = flags()
    with cuda_algorithms(torch.device("cuda"), True, precision):
        assert flags() == (allowed, allowed)
    assert flags() == before
