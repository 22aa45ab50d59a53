"""Profiles: what is kept, scaled, refused."""

import json
import math

import pytest

from suite.models import describe
from suite.models.profile import SHIPPED, LayerProfile, Profile, find, find_for, load, shipped

GPT2 = describe("gpt-small", length=1024, classes=50257, layers=12, heads=12, features=768)


@pytest.fixture
def profile() -> Profile:
    layers = (
        LayerProfile(name="conv", forward_seconds=0.01, backward_seconds=0.03, parameters=(("weight", (4, 3, 3, 3)),)),
        LayerProfile(
            name="fc", forward_seconds=0.03, backward_seconds=0.05, parameters=(("weight", (10, 64)), ("bias", (10,)))
        ),
    )
    return Profile(
        model="toy", machine="here", framework="torch", batch=8, input_shape=(8, 8, 3), classes=10, layers=layers
    )


def test_scaled_size_keeps_times(profile):
    small = profile.scaled(size=1 / 8)
    assert [[shape for _, shape in layer.parameters] for layer in small.layers] == [[(14,)], [(80,), (1,)]]
    assert (small.forward_seconds, small.backward_seconds) == (profile.forward_seconds, profile.backward_seconds)
    assert (small.size_factor, small.retimed) == (1 / 8, False)
    assert small.scaled(size=2).size_factor == 1 / 4


def test_scaled_time_keeps_sizes(profile):
    slow = profile.scaled(time=3)
    assert slow.forward_seconds == pytest.approx(0.12)
    assert slow.backward_seconds == pytest.approx(0.24)
    assert slow.parameter_count == profile.parameter_count
    assert slow.retimed


def test_lasting_keeps_shares(profile):
    other = profile.lasting(forward=0.2, backward=0.4)
    assert [layer.forward_seconds for layer in other.layers] == pytest.approx([0.05, 0.15])
    assert [layer.backward_seconds for layer in other.layers] == pytest.approx([0.15, 0.25])
    assert other.retimed
    assert other.parameter_count == profile.parameter_count


@pytest.mark.parametrize("factor", [0, -1, math.nan, math.inf])
def test_factors_must_be_positive_numbers(profile, factor):
    with pytest.raises(ValueError, match=f"size factor {factor}"):
        profile.scaled(size=factor)
    with pytest.raises(ValueError, match=f"time factor {factor}"):
        profile.scaled(time=factor)


def test_seconds_must_be_numbers_and_shareable(profile):
    with pytest.raises(ValueError, match="forward seconds -1"):
        profile.lasting(forward=-1, backward=1)
    with pytest.raises(ValueError, match="no forward seconds"):
        profile.lasting(forward=0, backward=1).lasting(forward=1, backward=1)


def test_a_saved_profile_comes_back(profile, tmp_path):
    changed = profile.scaled(size=0.5, time=2)
    changed.save(tmp_path / "toy.json")
    assert load(tmp_path / "toy.json") == changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 0}, "batch"),
        ({"layers": []}, "layers"),
        ({"framework": "mxnet"}, "framework"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(profile, tmp_path, change, message):
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({**json.loads(profile.model_dump_json()), **change}))
    with pytest.raises(ValueError, match=message) as error:
        load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b'{"layers": [{"forward_seconds": -1}]}'])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "damaged.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged\.json"):
        load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nothing\.json cannot be read"):
        load(tmp_path / "nothing.json")
    with pytest.raises(ValueError, match=r"no profile 'alexnett'.*alexnet-torch-cpu"):
        find("alexnett")
    with pytest.raises(ValueError, match="cannot be read"):
        find(str(tmp_path))


def test_shipped_profiles_are_of_the_nets_as_described():
    assert {"alexnet-torch-cpu", "googlenet-torch-cpu", "gpt2-torch-cpu"} <= set(shipped())
    for name in shipped():
        profile = find(name)
        net = GPT2 if name.startswith("gpt2") else describe(profile.model)
        profile.require(net)
        assert name.startswith(f"{'gpt2' if net is GPT2 else profile.model}-{profile.framework}")
        assert all(layer.forward_seconds > 0 and layer.backward_seconds > 0 for layer in profile.layers)
        assert not profile.retimed
        assert profile.parameter_count == net.parameter_count
    assert SHIPPED.is_dir()


def test_a_profile_of_another_model_is_refused():
    profile = find("alexnet-torch-cpu")
    with pytest.raises(ValueError, match="profile is of model 'alexnet', expected 'googlenet'"):
        profile.require(describe("googlenet"))
    with pytest.raises(
        ValueError,
        match=r"2 parameters differ, first fc8.bias, \(1000,\) instead of \(10,\)",
    ):
        profile.require(describe("alexnet", classes=10))
    profile.scaled(size=1 / 8).require(describe("alexnet"))


def test_a_refusal_names_the_file(profile, tmp_path):
    path = tmp_path / "toy.json"
    profile.save(path)
    with pytest.raises(ValueError, match=r"toy\.json: profile is of model 'toy', expected 'alexnet'"):
        find_for(str(path), describe("alexnet"))
    assert find_for("alexnet-torch-cpu", describe("alexnet")).model == "alexnet"


def test_alexnet_at_the_figures_size():
    profile = find("alexnet-torch-cpu").scaled(size=1 / 8).lasting(forward=0.2, backward=0.4)
    assert profile.parameter_count == pytest.approx(61_100_840 / 8, abs=16)
    assert profile.forward_seconds == pytest.approx(0.2)
    assert profile.backward_seconds == pytest.approx(0.4)
