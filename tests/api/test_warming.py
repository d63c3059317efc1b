"""Warming compiles what a server needs, and tells what is not compiled yet."""

from api.warming import kernels, unkept, warm


def test_once_warm_every_module_has_its_kernels_kept():
    done = warm()
    assert done.compiled + done.kept > 0 or any(kernel.signatures for kernel in kernels())
    assert unkept() == []
    assert warm().compiled == 0


def test_a_kernel_kept_before_its_source_changed_does_not_count(tmp_path, monkeypatch):
    kernel = next(iter(kernels()))
    module = kernel.__module__
    monkeypatch.setattr(type(kernel.stats), "cache_path", str(tmp_path), raising=False)
    assert module in unkept()
