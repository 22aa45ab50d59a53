"""Host files: what is read, and that every mistake is named with its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.cluster.host_file import Place, parse, read
from suite.cluster.hosts import occupied

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
PLACES = st.lists(
    st.builds(Place, name=NAMES, slots=st.integers(1, 64)), min_size=1, max_size=8, unique_by=lambda place: place.name
)


@given(PLACES, st.sampled_from([" slots={}", "   slots={}  # four", "\tslots = {}", " slots= {}"]))
def test_what_is_written_is_read_back(places: list[Place], form: str) -> None:
    text = "# our machines\n\n" + "\n".join(place.name + form.format(place.slots) for place in places)
    assert parse(text) == tuple(places)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("b", "host 'b' has no slots"),
        ("b slots=0", "slots of host 'b' is 0"),
        ("b slots=-1", "slots of host 'b' is -1"),
        ("b slots=two", "slots of host 'b' is two"),
        ("b slot=2", "'slot=2' after host 'b' is not understood"),
        ("b slots=2 max_slots=4", "is not understood"),
        ("b:2", "'b:2' is not a host name"),
        ("A slots=2", "host 'A' is listed twice, first in line 1"),
    ],
)
def test_a_mistake_is_named_with_its_line(line: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"^machines:2: ") as caught:
        parse(f"a slots=1\n{line}\nc slots=1\n", "machines")
    assert complaint in str(caught.value)


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        parse("a\nb slots=x\nc slots=1\nc slots=2\n")
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["1", "2", "4"]


@pytest.mark.parametrize("text", ["", "\n\n", "# a slots=1\n"])
def test_an_empty_file_is_a_mistake(text: str) -> None:
    with pytest.raises(ValueError, match="no host in it"):
        parse(text)


def test_a_missing_or_binary_file_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read(tmp_path / "nowhere")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ValueError, match="cannot be read"):
        read(tmp_path / "binary")


@given(PLACES, st.data())
def test_ranks_fill_the_hosts_in_order(places: list[Place], data: st.DataObject) -> None:
    capacity = sum(place.slots for place in places)
    ranks = data.draw(st.integers(1, capacity))
    used = occupied(places, ranks)
    assert sum(place.slots for place in used) == ranks
    assert [place.name for place in used] == [place.name for place in places[: len(used)]]
    assert all(a == b for a, b in zip(used[:-1], places, strict=False))
    for wrong in (0, capacity + 1):
        with pytest.raises(ValueError, match=f"between 1 and {capacity}"):
            occupied(places, wrong)
