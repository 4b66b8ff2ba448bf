"""What registration says to AWS: ResolveCustomer, the registrations table, e-mail.

Each class speaks for one AWS thing, in its words on one side and in ours on the other. AWS's error
codes are translated here, once. Their texts are never passed on: they may quote what was sent.
"""

import logging
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
)

from lambdas.customers.license import LicenseKey
from lambdas.registration.codes import Registration, Use
from lambdas.registration.contact import Contact
from lambdas.registration.customer import Answer, Customer, TokenRefused, Unavailable
from lambdas.registration.mail import Mail

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TOKEN_CODES = frozenset(
    {
        "InvalidTokenException",
        "ExpiredTokenException",
        "ValidationException",
        "ValidationError",
    }
)
"""The token is at fault (API reference of ResolveCustomer). The validation errors are not in the
service model; the token is the only thing that is sent, so they can be about nothing else."""

CREDENTIALS_WORD = "security token"
"""``ExpiredTokenException`` is also said of expired credentials, in these words (common errors of
AWS services, "The security token included in the request is expired")."""

_CREDENTIALS_ADVICE = (
    "AWS refused the function's own credentials, which Lambda renews by itself; if it lasts, "
    "check the function's role and deploy again"
)
_ADVICE = {
    **dict.fromkeys(
        (
            "ExpiredToken",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "IncompleteSignature",
            "RequestExpired",
        ),
        _CREDENTIALS_ADVICE,
    ),
    **dict.fromkeys(
        ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized"),
        "deploy to the account that published the product, and let the function's role call "
        "aws-marketplace:ResolveCustomer",
    ),
    **dict.fromkeys(
        ("DisabledApiException", "OptInRequired"),
        "ResolveCustomer is not enabled in this region or for this account; check "
        "metering_region, and ask AWS Marketplace Seller Operations",
    ),
}
"""What only the seller can mend, and how."""

_CONTENDED = frozenset({"ConditionalCheckFailed", "TransactionConflict"})
"""Why a transaction was cancelled, if somebody else has used the code, or is using it now."""

_TEXTS = ("license", "arn", "account", "product_code", "customer_identifier", "agreement_id")


def connect(metering_region: str) -> tuple[Any, Any, Any, Any]:
    """Make the clients for the tables, the event bus, AWS Marketplace and e-mail.

    A buyer waits, and API Gateway for 29 s only. A ResolveCustomer that never answers takes 7 s,
    a table that never does 7 s more; then there is still time for a page that says so. E-mail is
    never retried: a message whose answer was lost may have been sent.
    """
    # Botocore's own log tells requests whole, and with them registration tokens and addresses. It
    # stays silent even where the stack's log level is DEBUG.
    logging.getLogger("botocore").setLevel(logging.INFO)
    brisk = Config(
        connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3}
    )
    patient = Config(
        connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2}
    )
    once = Config(
        connect_timeout=1, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 1}
    )
    return (
        boto3.client("dynamodb", config=brisk),
        boto3.client("events", config=brisk),
        boto3.client("meteringmarketplace", region_name=metering_region, config=patient),
        boto3.client("sesv2", config=once),
    )


class Marketplace:
    """ResolveCustomer of AWS Marketplace's metering service."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def resolve(self, token: str) -> Answer:
        """Ask whose registration token this is and say what the answer means."""
        try:
            answer = self._client.resolve_customer(RegistrationToken=token)
        except ClientError as error:
            return _refusal(error.response.get("Error", {}))
        except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
            return Unavailable(type(error).__name__, _CREDENTIALS_ADVICE)
        except BotoCoreError as error:
            return Unavailable(type(error).__name__)
        return Customer(
            account=answer.get("CustomerAWSAccountId") or "",
            product_code=answer.get("ProductCode") or "",
            license_arn=answer.get("LicenseArn") or "",
            customer_identifier=answer.get("CustomerIdentifier") or "",
            agreement_id=(answer.get("Metadata") or {}).get("AgreementId") or "",
        )


def _refusal(error: dict[str, Any]) -> TokenRefused | Unavailable:
    code = error.get("Code", "")
    if code in TOKEN_CODES:
        if CREDENTIALS_WORD in error.get("Message", "").lower():
            return Unavailable(code, _CREDENTIALS_ADVICE)
        return TokenRefused(code)
    return Unavailable(code, _ADVICE.get(code, ""))


class RegistrationsTable:
    """The DynamoDB table of one-time codes and of contacts.

    A code is ``pk = code#HASH, sk = code`` and expires; a contact is ``pk = OWNER, sk =
    contact#ADDRESS``, where the owner is a license, or an account and a product.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def save(self, code_hash: str, registration: Registration) -> None:
        """Keep what a new code stands for."""
        item: dict[str, Any] = {
            **_code_key(code_hash),
            "free_trial": {"BOOL": registration.free_trial},
            "at_s": {"N": str(registration.at_s)},
            "expires": {"N": str(registration.expires_s)},
        }
        for name in _TEXTS:
            if text := getattr(registration, name):
                item[name] = {"S": text}
        self._client.put_item(TableName=self._table, Item=item)

    def find(self, code_hash: str) -> Registration | None:
        """Read what a code stands for; expired ones are deleted sooner or later."""
        answer = self._client.get_item(
            TableName=self._table, Key=_code_key(code_hash), ConsistentRead=True
        )
        item = answer.get("Item")
        if item is None:
            return None
        texts = {name: item[name]["S"] if name in item else "" for name in _TEXTS}
        return Registration(
            license=LicenseKey(texts.pop("license")),
            free_trial=item["free_trial"]["BOOL"],
            at_s=int(item["at_s"]["N"]),
            used=Use(item["used"]["S"]) if "used" in item else None,
            **texts,
        )

    def claim(self, code_hash: str, now_s: int) -> bool:
        """Use a code for a claim; False if somebody else has used it, or is using it now."""
        return self._transact(self._use(code_hash, Use.CLAIM, now_s))

    def sign_up(
        self, code_hash: str, owner: str, contact: Contact, now_s: int, *others: dict[str, Any]
    ) -> bool:
        """Use a code for a sign-up: keep the contact, and write more in the same transaction.

        A contact that is there already keeps its mark of a sent e-mail.

        Args:
            code_hash: of the code that is used up.
            owner: whose contact it is.
            contact: what was typed.
            now_s: the time.
            others: further parts of the transaction.

        Returns:
            False if somebody else has used the code, or is using it now.
        """
        put = {
            "Update": {
                "TableName": self._table,
                "Key": _contact_key(owner, contact),
                "UpdateExpression": "SET email = :email, #name = :name, company = :company, "
                "at_s = :at_s",
                "ExpressionAttributeNames": {"#name": "name"},
                "ExpressionAttributeValues": {
                    ":email": {"S": contact.email},
                    ":name": {"S": contact.name},
                    ":company": {"S": contact.company},
                    ":at_s": {"N": str(now_s)},
                },
            }
        }
        return self._transact(self._use(code_hash, Use.SIGNUP, now_s), put, *others)

    def claim_mail(self, owner: str, contact: Contact, now_s: int) -> bool:
        """Mark that a contact's e-mail is about to be sent; False if it was, or if it is unknown.

        A transaction, because the SDK repeats a call whose answer was lost, and only a transaction
        then recognises itself.
        """
        return self._transact(
            {
                "Update": {
                    "TableName": self._table,
                    "Key": _contact_key(owner, contact),
                    "UpdateExpression": "SET mailed_s = :now",
                    "ConditionExpression": "attribute_exists(pk) AND "
                    "attribute_not_exists(mailed_s)",
                    "ExpressionAttributeValues": {":now": {"N": str(now_s)}},
                }
            }
        )

    def release_mail(self, owner: str, contact: Contact) -> None:
        """Take that mark back, because the e-mail was certainly not sent."""
        self._client.update_item(
            TableName=self._table,
            Key=_contact_key(owner, contact),
            UpdateExpression="REMOVE mailed_s",
        )

    def _use(self, code_hash: str, use: Use, now_s: int) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._table,
                "Key": _code_key(code_hash),
                "UpdateExpression": "SET used = :use, used_s = :now",
                "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(used) "
                "AND expires > :now",
                "ExpressionAttributeValues": {
                    ":use": {"S": str(use)},
                    ":now": {"N": str(now_s)},
                },
            }
        }

    def _transact(self, *parts: Any) -> bool:
        try:
            self._client.transact_write_items(TransactItems=parts)
        except self._client.exceptions.TransactionCanceledException as error:
            reasons: Any = error.response.get("CancellationReasons", [])
            if any(each.get("Code") in _CONTENDED for each in reasons):
                return False
            raise
        return True


class Mailer:
    """E-mail through SES, from the seller's verified address."""

    def __init__(self, client: Any, sender: str, reply_to: str) -> None:
        self._client = client
        self._sender = sender
        self._reply_to = reply_to

    def send(self, address: str, mail: Mail) -> str:
        """Send a message; returns why SES refused it, or nothing.

        What is not certainly a refusal counts as sent: nobody wants the same message twice.
        """
        body = {"Text": _content(mail.text), "Html": _content(mail.html)}
        arguments: dict[str, Any] = {
            "FromEmailAddress": self._sender,
            "Destination": {"ToAddresses": [address]},
            "Content": {"Simple": {"Subject": _content(mail.subject), "Body": body}},
        }
        if self._reply_to:
            arguments["ReplyToAddresses"] = [self._reply_to]
        try:
            self._client.send_email(**arguments)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            return error.response["Error"]["Code"] if status < 500 else ""
        except BotoCoreError:
            return ""
        return ""


def _content(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}


def _code_key(code_hash: str) -> Any:
    return {"pk": {"S": f"code#{code_hash}"}, "sk": {"S": "code"}}


def _contact_key(owner: str, contact: Contact) -> Any:
    return {"pk": {"S": owner}, "sk": {"S": f"contact#{contact.key}"}}
