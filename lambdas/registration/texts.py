"""Everything a buyer reads, in one place: another language is another `Texts`. Pure.

Texts are plain text. Where they have ``{seller}`` or another name in braces, `str.format` fills it
in; the pages escape the result.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """One language. Fields are in the order in which a buyer may meet them."""

    language: str
    the_seller: str
    button_at_marketplace: str

    start_title: str
    start: str
    start_steps: tuple[str, ...]
    marketplace: str

    came_without_title: str
    came_without: str
    refused_title: str
    refused: str
    expired_title: str
    expired: str
    unavailable_title: str
    unavailable_at_registration: str
    unavailable_at_signup: str
    not_found_title: str
    not_found: str

    form_title: str
    form: str
    email: str
    email_hint: str
    name: str
    company: str
    optional: str
    submit: str
    problems_title: str
    error_in_title: str
    error_before_message: str
    email_missing: str
    email_malformed: str
    too_long: str
    characters: str

    done_title: str
    done: str
    done_mailed: str
    done_next: str
    done_close: str

    have_account: str
    sign_in: str
    help: str
    help_by_email: str
    help_by_url: str
    terms: str
    privacy: str

    mail_subject: str
    mail_greeting: str
    mail: str
    mail_next: str
    mail_not_you: str


ENGLISH = Texts(
    language="en",
    the_seller="the seller",
    button_at_marketplace="Set up your account",
    start_title="Set up your account from AWS Marketplace",
    start="You come to this page from AWS Marketplace, once you have subscribed. To begin:",
    start_steps=(
        "Open AWS Marketplace and sign in with the AWS account that subscribed.",
        "Choose “Manage subscriptions”, then the product.",
        "Press “{button}”. You will come back here, and your account is set up.",
    ),
    marketplace="Open AWS Marketplace",
    came_without_title="This page needs to be opened from AWS Marketplace",
    came_without="Your browser came without the registration that AWS Marketplace sends along.",
    refused_title="Your registration could not be confirmed",
    refused="AWS Marketplace no longer accepts this registration. It is valid for a short "
    "time only. Your subscription is not affected. Please start again:",
    expired_title="This page has expired",
    expired="It can be used once, and for an hour. Your subscription is not affected. Please start "
    "again:",
    unavailable_title="Please try again in a minute",
    unavailable_at_registration="We could not reach AWS Marketplace to confirm your subscription. "
    "Nothing is lost, and your subscription is not affected. Wait a minute, then go back to AWS "
    "Marketplace and press “{button}” again.",
    unavailable_at_signup="We could not save what you sent. Wait a minute, go back to the form, "
    "and send it again.",
    not_found_title="There is no such page",
    not_found="Accounts are set up from AWS Marketplace:",
    form_title="Finish setting up your account",
    form="Thank you for subscribing through AWS Marketplace. Tell us whom {seller} should contact "
    "about this account.",
    email="E-mail address",
    email_hint="For your account and how to get started.",
    name="Your name",
    company="Company",
    optional="optional",
    submit="Finish set-up",
    problems_title="Please check what you entered",
    error_in_title="Error",
    error_before_message="Error:",
    email_missing="Enter your e-mail address.",
    email_malformed="Enter an e-mail address in the form name@example.com.",
    too_long="{entry} can have {limit} characters at most.",
    characters="{entry} has characters that cannot be used, such as line breaks.",
    done_title="Thank you, you are registered",
    done="Your subscription is now connected with {seller}.",
    done_mailed="A confirmation comes to the e-mail address you entered. If it does not arrive, "
    "you are registered all the same.",
    done_next="What happens next",
    done_close="{seller} will contact you at the e-mail address you entered with how to get "
    "started. There is nothing else for you to do now.",
    have_account="Already have an account?",
    sign_in="Sign in",
    help="Need help?",
    help_by_email="Write to {address}",
    help_by_url="Contact support",
    terms="Terms",
    privacy="Privacy",
    mail_subject="Your registration with {seller}",
    mail_greeting="Hello,",
    mail="your AWS Marketplace subscription is now registered with {seller}, and this address is "
    "its contact.",
    mail_next="What happens next",
    mail_not_you="If you did not subscribe through AWS Marketplace, somebody entered this address "
    "by mistake, and you can ignore this message.",
)
"""The language AWS Marketplace asks for in any case (SaaS integration checklist)."""


def capitalized(text: str) -> str:
    """Let a sentence begin with a capital, also where it begins with "the seller".

    >>> capitalized("the seller will write.")
    'The seller will write.'
    """
    return text[:1].upper() + text[1:]
