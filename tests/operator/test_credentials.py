"""Credentials for NATS: which account they are of."""

from __future__ import annotations

from tests.transport.identities import KeyPair, OperatorWorld
from wadm.operator.credentials import account_of


def test_credentials_say_which_account_they_are_of() -> None:
    nats = OperatorWorld(others=1)
    assert account_of(nats.creds) == nats.account
    assert account_of(nats.other_creds[0]) not in ("", nats.account)
    for nothing in ("", "no credentials", nats.creds.replace(nats.user_jwt, "x.y.z"), nats.creds.replace(".", "-")):
        assert account_of(nothing) == ""


def test_a_signing_key_of_an_account_is_not_the_account() -> None:
    key, user = KeyPair("A"), KeyPair("U")
    jwt = key.jwt(user.public, "user", {"type": "user", "issuer_account": "ACCOUNT"})
    nats = OperatorWorld()
    assert account_of(nats.creds.replace(nats.user_jwt, jwt)) == "ACCOUNT"
