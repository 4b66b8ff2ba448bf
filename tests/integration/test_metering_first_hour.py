"""The first hour of a license: sources do not say from when on its usage is taken."""

from typing import Literal

import pytest

from sandbox.marketplace.rules import Readings
from tests.integration.failures_shop import a_shop


@pytest.mark.parametrize("since", ["agreement", "license-updated"])
def test_usage_of_the_first_hour_is_billed_whenever_activation_begins(
    since: Literal["agreement", "license-updated"],
) -> None:
    with a_shop(readings=Readings(activation_period=since)) as shop:
        shop.arrive(shop.sell().registration_token)
        shop.pass_time(minutes=10)
        shop.world.send(shop.world.usage(shop.the_license(), 5))
        shop.pass_time(minutes=70)

        assert shop.world.billed() == 5
