"""Fetching from a server that cuts, corrupts, refuses and forgets."""

import hashlib

import pytest
from file_server import serving

from distilpose.data.download import Remote, fetch, matches
from distilpose.data.errors import DataError

CONTENT = bytes(range(256)) * 400


@pytest.fixture
def server():
    with serving() as running:
        running.files["/a.zip"] = CONTENT
        yield running


@pytest.fixture
def remote(server):
    return Remote(
        url=f"{server.url}/a.zip", size=len(CONTENT), checksum=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    )


def get(remote, file, **options):
    pauses = []
    fetch(remote, file, pause=pauses.append, **options)
    assert file.read_bytes() == CONTENT
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    return pauses


def test_a_file_comes_whole_with_its_progress_told(remote, tmp_path):
    told = []
    get(remote, tmp_path / "a.zip", on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert matches(tmp_path / "a.zip", remote)


def test_cuts_are_gone_on_from_at_the_byte_where_they_came(server, remote, tmp_path):
    server.cuts = [1000, 0, 50_000]
    pauses = get(remote, tmp_path / "a.zip")
    assert server.asked == [None, "bytes=1000-", "bytes=1000-", "bytes=51000-"]
    assert len(pauses) == 1  # only the answer that brought nothing is waited after


def test_a_later_call_goes_on_from_what_an_earlier_one_left(server, remote, tmp_path):
    server.cuts = [3000, 0, 0]
    with pytest.raises(DataError, match="2 times in a row; what has come is kept, and the same command goes on"):
        fetch(remote, tmp_path / "a.zip", attempts=2, pause=lambda _: None)
    assert not (tmp_path / "a.zip").exists()
    server.asked.clear()
    get(remote, tmp_path / "a.zip")
    assert server.asked == ["bytes=3000-"]


def test_a_server_without_ranges_is_asked_for_all_of_it_again(server, remote, tmp_path):
    server.ranges, server.cuts = False, [7000]
    get(remote, tmp_path / "a.zip")
    assert server.asked == [None, "bytes=7000-"]


def test_a_corrupt_file_is_thrown_away_and_fetched_once_more(server, remote, tmp_path):
    server.corrupt = 1
    get(remote, tmp_path / "a.zip")
    assert server.asked == [None, None]


def test_corruption_that_stays_is_told_with_both_checksums_and_leaves_nothing(server, remote, tmp_path):
    server.corrupt = 2
    with pytest.raises(DataError, match=r"came twice, .* must be sha256:\w{64}, got sha256:\w{64}"):
        fetch(remote, tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_part_longer_than_the_file_is_begun_anew(remote, tmp_path):
    (tmp_path / ".a.zip.part").write_bytes(CONTENT + b"more")
    get(remote, tmp_path / "a.zip")


def test_a_whole_part_of_unknown_length_needs_no_more_bytes(server, remote, tmp_path):
    (tmp_path / ".a.zip.part").write_bytes(CONTENT)
    unsized = Remote(url=remote.url, size=None, checksum=remote.checksum)
    get(unsized, tmp_path / "a.zip")
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_a_busy_server_is_asked_again_with_growing_pauses(server, remote, tmp_path):
    server.refuse = 3
    assert get(remote, tmp_path / "a.zip") == [2, 4, 8]


def test_a_file_that_is_not_there_is_told_at_once(server, remote, tmp_path):
    del server.files["/a.zip"]
    with pytest.raises(DataError, match="the server says 404"):
        fetch(remote, tmp_path / "a.zip")
    assert len(server.asked) == 1


def test_no_server_is_told(tmp_path):
    with serving() as gone:
        url = gone.url
    with pytest.raises(DataError, match=r"could not be fetched .*refused"):
        fetch(Remote(url=f"{url}/a", size=1, checksum="md5:0"), tmp_path / "a", attempts=1)
