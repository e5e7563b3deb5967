"""The protocols are known by their names."""

import pytest

from asyncapi import ConfigError
from asyncapi.speakers.rpc.protocols import protocol_of


def test_grpc_is_there():
    assert protocol_of("grpc", None).name == "grpc"


@pytest.mark.parametrize("name", ["", "GRPC", "soap"])
def test_any_other_name_is_refused(name):
    with pytest.raises(ConfigError, match="give 'grpc', 'connect' or 'grpc-web'"):
        protocol_of(name, None)
