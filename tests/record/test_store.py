"""Records are created once, whole or not at all; a folder has one writer; damage is named and never silent."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os

import pytest

import suite.record.store as module
from suite.record import archive
from suite.record.outcome import Failed, Reason
from suite.record.store import MARKER, RecordExistsError, Store, StoreError
from tests.record.examples import record, specification


def filled(folder, count=3):
    store = Store(folder)
    with store.writing() as writer:
        for seed in range(count):
            writer.add(record(specification(seed=seed)))
    return store


def test_what_was_written_is_read(tmp_path):
    store = filled(tmp_path / "results")
    contents = store.read()
    assert [one.specification.seed for one in contents.records] != []
    assert {one.specification.seed for one in contents.records} == {0, 1, 2}
    assert contents.unreadable == ()
    assert not list((tmp_path / "results").rglob("*.tmp"))


def test_a_record_is_never_rewritten(tmp_path):
    store = filled(tmp_path / "results")
    before = [path.read_bytes() for path in store.files()]
    with store.writing() as writer, pytest.raises(RecordExistsError):
        writer.add(record(specification(seed=1), wall_seconds=99.0))
    assert [path.read_bytes() for path in store.files()] == before


def test_the_last_attempt_counts_and_the_first_stays(tmp_path):
    store = Store(tmp_path / "results")
    one = specification()
    with store.writing() as writer:
        assert writer.next_attempt("quick", one.identity, 0) == 0
        writer.add(record(one, outcome=Failed(reason=Reason.KILLED, message="killed")))
        assert writer.next_attempt("quick", one.identity, 0) == 1
        assert writer.next_attempt("quick", one.identity, 1) == 0
        writer.add(record(one, attempt=1))
    contents = store.read()
    assert len(contents.records) == 2
    (latest,) = contents.latest()
    assert latest.finished


def quiet(*told):
    pass


def test_packing_makes_one_file_and_changes_no_record(tmp_path):
    store = filled(tmp_path / "results")
    before = store.read()
    store.files()[2].write_text("{}")
    kept = store.read()
    told = []
    with store.writing() as writer:
        was, now = writer.pack(lambda *said: told.append(said))
        assert writer.pack(quiet) == (now, now)
    assert now < was / 2
    assert store.read().records == kept.records != before.records
    assert [path.name for path in store.files()] == [kept.unreadable[0].path.name, archive.NAME]
    assert told == [("quick", 1, 2), ("quick", 2, 2)]


def test_packed_records_count_as_attempts_and_later_ones_join_them(tmp_path):
    store = filled(tmp_path / "results")
    identities = [one.identity for one in store.read().records]
    with store.writing() as writer:
        writer.pack(quiet)
        assert [writer.next_attempt("quick", one, 0) for one in identities] == [1, 1, 1]
        again = record(specification(seed=0), attempt=1)
        writer.add(again)
        assert writer.next_attempt("quick", again.identity, 0) == 2
        before = store.read()
        writer.pack(quiet)
        assert writer.next_attempt("quick", again.identity, 0) == 2
    assert store.read() == before and len(store.files()) == 1


def test_packing_anew_gives_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        store = filled(tmp_path / name)
        with store.writing() as writer:
            writer.pack(quiet)
        os.utime(store.files()[0], (0, 0))
    assert (tmp_path / "one/quick/records.tar.xz").read_bytes() == (
        tmp_path / "other/quick/records.tar.xz"
    ).read_bytes()


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda content: b"{}", lambda content: b""])
def test_a_damaged_packed_file_is_named_and_set_aside(tmp_path, damage):
    store = filled(tmp_path / "results")
    with store.writing() as writer:
        writer.pack(quiet)
        (broken,) = store.files()
        broken.write_bytes(damage(broken.read_bytes()))
        writer.add(record(specification(seed=7)))
        with pytest.raises(StoreError, match="nothing is added to it"):
            writer.pack(quiet)
    assert len(store.read().records) == 1
    with store.writing() as writer:
        (moved,) = writer.set_aside_damaged()
        assert writer.set_aside_damaged() == ()
    assert moved.path.name.endswith(".tar.xz")
    assert [one.path for one in store.read().unreadable] == [moved.path]


def test_a_damaged_record_among_packed_ones_is_named_and_stays(tmp_path):
    store = filled(tmp_path / "results")
    with store.writing() as writer:
        writer.pack(quiet)
        (path,) = store.files()
        texts = archive.read(path)
        name = min(texts)
        archive.write(path, {**texts, name: b'{"left_out": 2, "ranks": []}'}, quiet)
        assert len(store.read().records) == 2
        (hole,) = store.read().unreadable
        assert hole.path == path / name
        assert writer.set_aside_damaged() == ()
    assert path.exists()


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="not a folder of records"), Store(tmp_path).writing():
        pass
    with pytest.raises(StoreError, match="not a folder of records"):
        Store(tmp_path).read()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_start_cut_short_does_not_lock_anyone_out(tmp_path):
    (tmp_path / ".lock").touch()
    with Store(tmp_path).writing() as writer:
        writer.add(record())


def hold(folder, ready, stop):
    with Store(folder).writing():
        ready.set()
        stop.wait(30)


def test_two_sweeps_cannot_write_to_one_folder_and_a_killed_one_frees_it(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, stop = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "results", ready, stop))
    other.start()
    assert ready.wait(30)
    with (
        pytest.raises(StoreError, match=f"another sweep \\(process {other.pid}\\)"),
        Store(tmp_path / "results").writing(),
    ):
        pass
    other.kill()
    other.join()
    with Store(tmp_path / "results").writing() as writer:
        writer.add(record())


@pytest.mark.parametrize("damage", [lambda text: text[: len(text) // 2], lambda text: b"", lambda text: b'{"a": 1}'])
def test_a_damaged_record_is_named_then_set_aside_and_the_others_are_read(tmp_path, damage):
    store = filled(tmp_path / "results")
    victim = store.files()[1]
    victim.write_bytes(damage(victim.read_bytes()))
    contents = store.read()
    assert len(contents.records) == 2
    assert [hole.path for hole in contents.unreadable] == [victim]
    with store.writing() as writer:
        (moved,) = writer.set_aside_damaged()
        assert writer.set_aside_damaged() == ()
    assert not victim.exists()
    assert [hole.path for hole in store.read().unreadable] == [moved.path]


@pytest.mark.parametrize(
    ("part", "key", "value", "why"),
    [
        ("specification", "batch_size", 64, "identity is not the hash"),
        ("labels", "framework", "touch", "label framework = 'touch' contradicts the specification, which says 'torch'"),
        ("labels", "workers", 64, "label workers = 64 contradicts"),
    ],
)
def test_a_record_that_was_edited_by_hand_is_damaged(tmp_path, part, key, value, why):
    store = filled(tmp_path / "results", 1)
    (path,) = store.files()
    content = json.loads(path.read_text())
    content[part][key] = value
    path.write_text(json.dumps(content))
    (hole,) = store.read().unreadable
    assert why in hole.why


@pytest.mark.parametrize("marker", ["", "[]", '{"schema_version": "x"}', '{"schema_version": null}'])
def test_a_damaged_marker_is_named(tmp_path, marker):
    store = filled(tmp_path / "results", 1)
    (tmp_path / "results" / "farandole-records.json").write_text(marker)
    with pytest.raises(StoreError, match=r"farandole-records.json is damaged"):
        store.read()


def test_a_newer_schema_is_left_in_place_and_named(tmp_path):
    store = filled(tmp_path / "results", 1)
    (path,) = store.files()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 2}))
    (hole,) = store.read().unreadable
    assert hole.newer
    with store.writing() as writer:
        assert writer.set_aside_damaged() == ()
    assert path.exists()
    (tmp_path / "results" / MARKER).write_text('{"schema_version": 2}')
    with pytest.raises(StoreError, match="schema 2"):
        store.read()


class FullDisk:
    """Stands in for `_write_atomically`: refuses files above a size, as a disk with little room does."""

    def __init__(self, real, room):
        self.real, self.room = real, room

    def __call__(self, path, content):
        if len(content) > self.room and path.name != MARKER:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.real(path, content)


def test_a_full_disk_becomes_a_failed_record(tmp_path, monkeypatch):
    store = Store(tmp_path / "results")
    large = record(specification(steps=500))
    monkeypatch.setattr(module, "_write_atomically", FullDisk(module._write_atomically, 4000))
    with store.writing() as writer:
        writer.reserve()
        writer.add(large)
    (kept,) = store.read().records
    assert kept.outcome.reason is Reason.DISK
    assert not list((tmp_path / "results").rglob("*.tmp"))


def test_a_disk_without_any_room_is_said_and_loses_nothing(tmp_path, monkeypatch):
    store = filled(tmp_path / "results", 2)
    monkeypatch.setattr(module, "_write_atomically", FullDisk(module._write_atomically, 0))
    with store.writing() as writer, pytest.raises(StoreError, match="nothing more can be recorded"):
        writer.add(record(specification(seed=9)))
    assert len(store.read().records) == 2


def test_five_hundred_records_are_all_read(tmp_path):
    store = Store(tmp_path / "results")
    with store.writing() as writer:
        writer_fsync = os.fsync
        os.fsync = lambda descriptor: None
        try:
            for seed in range(500):
                writer.add(record(specification(seed=seed, steps=50, workers=4)))
        finally:
            os.fsync = writer_fsync
    assert len(store.read().latest()) == 500
