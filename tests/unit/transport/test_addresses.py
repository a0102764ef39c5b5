"""The table of addresses that a caller's URL must not reach."""

import pytest

from headgate.transport.addresses import is_forbidden

FORBIDDEN = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.0.1 169.254.169.254 172.16.0.1 172.31.255.255
192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.9
224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:7f00:1
64:ff9b::a00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:0:53aa:64c:0:fbff:80ff:fffe 2001:db8::1 2002:7f00:1::
2002:808:808::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1
""".split()  # noqa: SIM905
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "::ffff:8.8.8.8", "2606:4700::1111"]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_it_is_forbidden(address):
    assert is_forbidden(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_it_is_public(address):
    assert not is_forbidden(address)


@pytest.mark.parametrize("word", ["", "localhost", "127.1", "0x7f000001", "1.2.3.4.5", "8.8.8.8 "])
def test_what_is_no_address_is_forbidden(word):
    assert is_forbidden(word)
