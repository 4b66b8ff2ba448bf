"""Let a buyer have purchased in a running sandbox: ``eval "$(python -m sandbox.purchase)"``.

Does what the registration of a buyer will do: purchases at the emulator and writes the license to
the Customers table. Prints ``export LICENSE_ARN=…`` for the shell that asked.
"""

import argparse
import json
import math
import os
import sys
import urllib.request
from collections.abc import Sequence
from datetime import datetime, timedelta

import boto3

from lambdas.customers.license import License, State, license_key_of_arn
from lambdas.customers.table import CustomersTable


def main(arguments: Sequence[str] | None = None) -> int:
    """Purchase, and tell the shell how the license is called."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.purchase", description=__doc__)
    parser.add_argument("--account", default="111122223333", help="the buyer's (%(default)s)")
    parser.add_argument("--product", default="example000000000000000001", help="its code")
    parser.add_argument(
        "--dimension", action="append", help="of the offer, any number of them (users)"
    )
    options = parser.parse_args(arguments)
    if "MARKETPLACE_URL" not in os.environ:
        print("No sandbox: run `make sandbox`, and here `. .sandbox/env`.", file=sys.stderr)
        return 1
    # A day ago, so that usage of the last hours is within the license's life.
    start = datetime.fromisoformat(_ask("clock")["now"]) - timedelta(days=1)
    bought = _ask(
        "purchases",
        product_code=options.product,
        account=options.account,
        dimensions=options.dimension or ["users"],
        starts_at=start.isoformat(),
    )
    CustomersTable(boto3.client("dynamodb"), os.environ["CUSTOMERS_TABLE"]).save(
        License(
            key=license_key_of_arn(bought["license_arn"]),
            arn=bought["license_arn"],
            account=options.account,
            product_code=options.product,
            state=State.ACTIVE,
            agreement_id=bought["agreement_id"],
            start_s=math.ceil(start.timestamp()),
        )
    )
    print(f"export LICENSE_ARN={bought['license_arn']}")
    return 0


def _ask(route: str, **body: object) -> dict[str, str]:
    url = f"{os.environ['MARKETPLACE_URL']}/emulator/{route}"
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(url, data) as answer:  # noqa: S310 (the sandbox's own URL)
        found: dict[str, str] = json.load(answer)
        return found


if __name__ == "__main__":
    sys.exit(main())
