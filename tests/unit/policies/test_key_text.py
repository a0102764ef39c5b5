"""The form of a key: told from garbage by its looks alone."""

import re
import string
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from headgate.policies.key_text import checksum, is_well_formed, kid_of, new_key

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def test_a_new_key_has_the_form():
    key = new_key()

    assert re.fullmatch(rb"sk-hg_[0-9A-Za-z]{48}", key)
    assert is_well_formed(key)
    assert kid_of(key) == key[6:16]
    assert new_key() != key


@given(st.binary())
def test_the_checksum_is_the_crc_in_base_62(text: bytes):
    number = 0
    for digit in checksum(text).decode():
        number = number * 62 + DIGITS.index(digit)

    assert len(checksum(text)) == 6
    assert number == crc32(text)


@given(st.data())
def test_one_wrong_character_is_noticed(data: st.DataObject):
    key = new_key()
    place = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.sampled_from([digit for digit in DIGITS.encode() if digit != key[place]]))

    assert not is_well_formed(key[:place] + bytes([other]) + key[place + 1 :])


@given(st.binary(max_size=80))
def test_garbage_is_no_key(garbage: bytes):
    assert not is_well_formed(garbage)
