"""Microsoft Entra ID, by azure-identity: a service principal of the environment, a managed identity, `az login`."""

from typing import Final

from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential

from headgate.transport.signing.tokens import NoToken, Token, TokenSigner

SCOPE: Final = "https://cognitiveservices.azure.com/.default"


def azure_signer(*, scope: str = SCOPE) -> TokenSigner:
    """Signs with a token of Entra ID for `scope`."""
    credential = DefaultAzureCredential()

    def fetch() -> Token:
        try:
            token = credential.get_token(scope or SCOPE)
        except (AzureError, ValueError) as error:
            raise NoToken("Entra ID", f"{type(error).__name__}: {error}") from None
        return Token(token.token, float(token.expires_on))

    return TokenSigner(fetch)
