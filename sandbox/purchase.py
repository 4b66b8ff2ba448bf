"""Let a buyer purchase and register in a running sandbox: ``eval "$(python -m sandbox.purchase)"``.

Does what the page at MARKETPLACE_URL does in a browser, in one line: purchases at the emulator and
registers on the seller's pages. Prints ``export LICENSE_ARN=…`` for the shell that asked.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sandbox.buyer import RegistrationError, register
from sandbox.environment import ask


def main(arguments: Sequence[str] | None = None) -> int:
    """Purchase, register, and tell the shell how the license is called."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.purchase", description=__doc__)
    parser.add_argument("--account", default="111122223333", help="the buyer's (%(default)s)")
    parser.add_argument("--product", default="example000000000000000001", help="its code")
    parser.add_argument("--email", default="buyer@example.com", help="for the sign-up form")
    parser.add_argument(
        "--dimension", action="append", help="of the offer, any number of them (users)"
    )
    options = parser.parse_args(arguments)
    if "MARKETPLACE_URL" not in os.environ:
        print("No sandbox: run `make sandbox`, and here `. .sandbox/env`.", file=sys.stderr)
        return 1
    # A day ago, so that usage of the last hours is within the license's life.
    start = datetime.fromisoformat(_emulator("clock")["now"]) - timedelta(days=1)
    bought = _emulator(
        "purchases",
        product_code=options.product,
        account=options.account,
        dimensions=options.dimension or ["users"],
        starts_at=start.isoformat(),
    )
    url = os.environ["REGISTRATION_URL"]
    try:
        # The hosted sign-up; a seller's own page is for a browser.
        register(url, bought["registration_token"], email=options.email)
    except RegistrationError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"export LICENSE_ARN={bought['license_arn']}")
    return 0


def _emulator(route: str, **body: object) -> Any:
    return ask(f"{os.environ['MARKETPLACE_URL']}/emulator/{route}", body or None)


if __name__ == "__main__":
    sys.exit(main())
