"""Claims of registrations, by the seller's server with the README's lines, over HTTP."""

import http.client
import json
from collections.abc import Mapping
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from sandbox.buyer import TOKEN_FIELD
from tests.e2e.leaks import leaks
from tests.e2e.seller import readmes_claim
from tests.e2e.stage import Stage

pytestmark = pytest.mark.slow

UNKNOWN = "0" * 43


@pytest.fixture
def credentials(own_page: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this process the seller's server."""
    for name, value in own_page.sandbox.variables().items():
        monkeypatch.setenv(name, value)


def post(url: str, body: str, kind: str) -> tuple[int, Mapping[str, str]]:
    """Post, and follow nowhere."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    try:
        connection.request("POST", urlsplit(url).path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers)
    finally:
        connection.close()


def arrive(stage: Stage, account: str) -> str:
    """Purchase, and come from AWS Marketplace as far as the code."""
    token = stage.purchase(account).registration_token
    form = urlencode({TOKEN_FIELD: token})
    url = stage.sandbox.url("RegistrationUrl")
    _, headers = post(url, form, "application/x-www-form-urlencoded")
    return parse_qs(urlsplit(headers["Location"]).query)["registration"][0]


def refusal_of(code: str) -> tuple[int, str]:
    """Claim, and be refused."""
    with pytest.raises(HTTPError) as refused:
        readmes_claim()(code)
    with refused.value as answer:
        return answer.code, json.load(answer)["error"]


@pytest.mark.usefixtures("credentials")
def test_a_claim_tells_all_that_is_known(own_page: Stage, account: str) -> None:
    code = arrive(own_page, account)
    (held,) = own_page.licenses_of(account)

    claimed = readmes_claim()(code)

    claimed.pop("RegisteredAt")
    assert claimed == {
        "License": held.key,
        "LicenseArn": held.arn,
        "CustomerAWSAccountId": account,
        "ProductCode": held.product_code,
        "AgreementId": held.agreement_id,
        "State": "pending",
    }


@pytest.mark.usefixtures("credentials")
def test_a_code_is_claimed_once(own_page: Stage, account: str) -> None:
    code = arrive(own_page, account)

    readmes_claim()(code)

    assert refusal_of(code) == (410, "claimed")


@pytest.mark.usefixtures("credentials")
def test_a_code_is_good_for_an_hour(own_page: Stage, account: str) -> None:
    code = arrive(own_page, account)

    own_page.let_pass(minutes=61)

    assert refusal_of(code) == (410, "expired")


@pytest.mark.usefixtures("credentials")
def test_a_code_that_nobody_was_given_is_unknown() -> None:
    assert refusal_of(UNKNOWN) == (404, "unknown")


@pytest.mark.usefixtures("credentials")
def test_a_claim_that_is_not_signed_is_refused_and_uses_nothing_up(
    own_page: Stage, account: str
) -> None:
    code = arrive(own_page, account)

    url, body = own_page.sandbox.url("ClaimUrl"), json.dumps({"registration": code})
    status, _ = post(url, body, "application/json")

    assert status == 403
    assert readmes_claim()(code)["CustomerAWSAccountId"] == account


@pytest.mark.usefixtures("credentials")
def test_a_code_is_kept_nowhere(own_page: Stage, account: str) -> None:
    code = arrive(own_page, account)
    claimed = readmes_claim()(code)

    # The license shows that the search finds what is there.
    assert leaks(own_page.sandbox, claimed["License"])
    assert leaks(own_page.sandbox, code) == []
