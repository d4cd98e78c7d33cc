"""What is carried into a container, as the engines take it."""

from __future__ import annotations

import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from lsbcheck.sandbox.container import baggage

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=150)
FILES = st.dictionaries(NAMES.map("/opt/{}".format), st.tuples(st.binary(), st.just(0o755)))


@given(FILES)
def test_an_archive_has_its_files_and_ends_with_its_end(
    files: dict[str, tuple[bytes, int]],
) -> None:
    """podman's reader goes away at the end, and may break the pipe of what comes after it."""
    made = baggage.tar(files)
    end = 0
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        for path, (content, mode) in files.items():
            member = archive.getmember(path.lstrip("/"))
            file = archive.extractfile(member)
            assert file is not None
            assert (file.read(), member.mode) == (content, mode)
            blocks = -(-member.size // tarfile.BLOCKSIZE)
            end = max(end, member.offset_data + blocks * tarfile.BLOCKSIZE)
    assert made[end:] == bytes(2 * tarfile.BLOCKSIZE)
