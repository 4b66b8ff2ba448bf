"""Registration: a buyer comes with a token, becomes a known customer, and signs up."""
