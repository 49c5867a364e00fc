"""Only loopback is loaded without a word."""

import pytest

from loadgen.permission import refuse_foreign
from loadgen.targets.port import Endpoint
from scenarios.errors import TargetUnavailable, UsageError

FOREIGN = Endpoint("192.0.2.7", 8443, tls=True)  # RFC 5737: documentation only


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback_needs_no_word(host: str) -> None:
    refuse_foreign(Endpoint(host, 80), ())


def test_another_host_needs_one_and_is_told_which() -> None:
    with pytest.raises(UsageError, match=r"--i-am-allowed-to-load https://192\.0\.2\.7:8443"):
        refuse_foreign(FOREIGN, ())


@pytest.mark.parametrize(
    "url", ["https://192.0.2.8:8443", "https://192.0.2.7", "192.0.2.7:8443", "https://192.0.2.7:x"]
)
def test_a_word_about_another_place_does_not_help(url: str) -> None:
    with pytest.raises(UsageError):
        refuse_foreign(FOREIGN, [url])


def test_the_right_word_helps() -> None:
    refuse_foreign(FOREIGN, ["https://192.0.2.7:8443/v1"])


def test_a_name_without_an_address_is_one_line() -> None:
    with pytest.raises(TargetUnavailable, match=r"nowhere\.invalid") as caught:
        refuse_foreign(Endpoint("nowhere.invalid", 80), ())
    assert "\n" not in str(caught.value)
