import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fnnets.data import DataError, DataNotFoundError, read_idx

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
ANY_ARRAY = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=4, min_side=0, max_side=4))
)
SMALL = np.arange(24, dtype=np.int32).reshape(2, 3, 4)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "array-idx"


def refusal(file, content):
    """The one line with which that content is refused."""
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(file)
    message = str(caught.value)
    assert str(file) in message
    assert "\n" not in message
    assert "expected" in message
    return message


@given(array=ANY_ARRAY, zipped=st.booleans())
def test_what_was_written_is_read(file, as_idx, array, zipped):
    file.write_bytes(gzip.compress(as_idx(array)) if zipped else as_idx(array))
    read = read_idx(str(file))
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, array)


@given(array=ANY_ARRAY, data=st.data())
def test_every_truncation_is_refused(file, as_idx, array, data):
    content = as_idx(array)
    length = data.draw(st.integers(0, len(content) - 1))
    assert f"truncated: it holds {length} bytes" in refusal(file, content[:length])


@given(array=ANY_ARRAY, tail=st.binary(min_size=1, max_size=9))
def test_bytes_too_many_are_refused(file, as_idx, array, tail):
    content = as_idx(array)
    message = refusal(file, content + tail)
    assert f"holds {len(content) + len(tail)} bytes, expected {len(content)}" in message


@given(content=st.binary(max_size=40) | st.binary(max_size=60).map(lambda tail: b"\0\0\x08" + tail))
def test_any_bytes_are_an_array_or_refused(file, content):
    try:
        file.write_bytes(content)
        found = read_idx(file)
    except DataError:
        found = refusal(file, content)
    assert isinstance(found, np.ndarray | str)


def test_sizes_that_overflow_are_refused(file):
    sizes = [0] + [2**32 - 1] * 3
    assert "that an array can have" in refusal(file, bytes([0, 0, 8, 4]) + np.array(sizes, ">u4").tobytes())


@pytest.mark.parametrize("byte", range(4))
@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_of_the_magic_never_reads_the_same(file, as_idx, byte, bit):
    content = bytearray(as_idx(SMALL))
    content[byte] ^= 1 << bit
    if content[2] == 0x0D:  # from int32 to float32: as many bytes, so that the format itself cannot tell
        file.write_bytes(bytes(content))
        assert read_idx(file).dtype == np.float32
    else:
        refusal(file, bytes(content))


@pytest.mark.parametrize(
    "magic", [b"\0\0\x0a\x01", b"\0\0\x08\0", b"\0\0\x08\x21", b"\1\0\x08\1", b"\0\1\x08\1", b"PK\3\4"]
)
def test_a_wrong_magic_is_shown(file, magic):
    assert f"magic {magic.hex(' ')}" in refusal(file, magic + bytes(200))


@pytest.mark.parametrize("position", range(0, 60, 3))
def test_a_flipped_byte_of_a_gzip_stream_is_noticed(file, as_idx, position):
    content = bytearray(gzip.compress(as_idx(SMALL), mtime=0))
    position = min(position, len(content) - 1)
    content[position] ^= 0xFF
    file.write_bytes(bytes(content))
    if 3 < position < 10:  # time and system in gzip's header, which hold nothing of the file, and its flags' reserve
        np.testing.assert_array_equal(read_idx(file), SMALL)
    else:
        refusal(file, bytes(content))


def test_a_wrong_checksum_is_named(file, as_idx):
    content = bytearray(gzip.compress(as_idx(SMALL)))
    content[-5] ^= 1  # the length's neighbour: the last byte of the CRC
    assert "CRC" in refusal(file, bytes(content))


@pytest.mark.parametrize("length", [3, 10, 30, -1])
def test_a_truncated_gzip_stream_is_refused(file, as_idx, length):
    assert "truncated: its gzip stream" in refusal(file, gzip.compress(as_idx(SMALL))[:length])


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(
        DataNotFoundError, match=r"read_idx: path is .*nowhere, expected a file, but there is none; give"
    ):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(DataError, match="a folder, expected a file"):
        read_idx(tmp_path)
    with pytest.raises(TypeError, match="path is 3 of type int, expected a path"):
        read_idx(3)
