"""What is said where no GPU can be used: one line with the cause, and what still works."""

from __future__ import annotations

from dataclasses import replace

import pytest

from suite.cli import app
from suite.gpu import device
from suite.gpu.device import Device

CUDA = Device(torch="2.11.0", cuda="13.0")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Device(torch="2.11.0+cpu"), "PyTorch 2.11.0+cpu is no build for CUDA"),
        (Device(torch="2.11.0", cuda="13.0", driver="550.1", seen=("H100",)), "driver 550.1 is too old"),
        (CUDA, "the driver shows no GPU"),
        (Device(torch="2.11.0", cuda="13.0", driver="580.1", seen=("H100",)), "shows H100, but PyTorch 2.11.0 cannot"),
    ],
)
def test_why_there_is_none(found: Device, said: str) -> None:
    problem = device.problem(found)
    assert said in problem
    assert problem.endswith("`--cpu` runs every step on a CPU stand-in")
    assert "\n" not in problem


def test_a_card_is_enough() -> None:
    assert device.problem(Device(torch="2.11.0", cuda="13.0", cards=("H100",))) == ""


def test_two_ranks_share_one_card_over_gloo_alone() -> None:
    one = Device(torch="2.11.0", cuda="13.0", cards=("H100",), nccl=True)
    assert "NCCL refuses two ranks on one GPU" in device.lonely(one)
    assert not device.lonely(replace(one, nccl=False))
    assert "no Horovod here" in device.lonely(replace(one, nccl=False, horovod=False))
    assert not device.lonely(replace(one, cards=("H100", "H100")))


def test_a_broken_python_is_no_crash() -> None:
    assert "cannot be asked" in device.problem(device.look("/no/such/python"))


def test_without_one_the_command_ends_with_2_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device, "look", lambda: Device(torch="2.11.0+cpu"))
    assert app.run(["gpu-check"]) == 2
    assert "`--cpu` runs every step" in capsys.readouterr().err
    assert app.run(["gpu-check", "--cpu", "--only", "sms"]) == 2
    assert "did you mean 'sums'?" in capsys.readouterr().err
    assert app.run(["gpu-check", "--nccl", "/no/python"]) == 2
    assert "there is no such Python" in capsys.readouterr().err


def test_the_steps_are_listed_in_order_of_worth(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["gpu-check", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines][:2] == ["sums", "nccl"]
