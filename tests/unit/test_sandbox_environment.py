"""What a shell is told about a sandbox."""

from sandbox.environment import Endpoints, for_functions, for_shells

ENDPOINTS = Endpoints(
    aws="http://127.0.0.1:1",
    marketplace="http://127.0.0.1:2",
    functions="http://127.0.0.1:3",
    api="http://localhost:4",
)


def test_a_shell_reaches_the_api_through_the_sandbox() -> None:
    outputs = {
        "RegistrationUrl": "https://id.execute-api.us-east-1.amazonaws.com/v1/register",
        "ClaimUrl": "https://register.example.com/registrations/claim",
    }

    variables = for_shells(ENDPOINTS, "us-east-1", outputs)

    urls = {name: variables.get(name) for name in ("REGISTRATION_URL", "CLAIM_URL", "USAGE_URL")}
    assert urls == {
        "REGISTRATION_URL": "http://localhost:4/id.execute-api.us-east-1.amazonaws.com/v1/register",
        "CLAIM_URL": "http://localhost:4/register.example.com/registrations/claim",
        "USAGE_URL": None,
    }


def test_a_shell_is_in_the_region_of_the_stack() -> None:
    variables = for_shells(ENDPOINTS, "eu-west-1", {})

    assert (variables["AWS_REGION"], variables["AWS_DEFAULT_REGION"]) == ("eu-west-1", "eu-west-1")


def test_a_function_is_told_nothing_of_the_api() -> None:
    """In AWS it could not know, either."""
    assert not [value for value in for_functions(ENDPOINTS).values() if "localhost:4" in value]
