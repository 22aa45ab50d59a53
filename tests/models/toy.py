"""A profile with few, short layers, for replays that tests can wait for."""

from suite.models.profile import LayerProfile, Profile

SECONDS = {"one": (0.004, 0.006), "two": (0.010, 0.020), "three": (0.002, 0.003)}
SHAPES = {
    "one": (("weight", (8, 3, 3, 3)), ("bias", (8,))),
    "two": (("weight", (500, 1000)),),
    "three": (("weight", (10, 500)), ("bias", (10,))),
}


def toy_profile() -> Profile:
    layers = tuple(
        LayerProfile(name=name, forward_seconds=ahead, backward_seconds=back, parameters=SHAPES[name])
        for name, (ahead, back) in SECONDS.items()
    )
    return Profile(
        model="toy", machine="here", framework="torch", batch=4, input_shape=(6, 6, 3), classes=10, layers=layers
    )
