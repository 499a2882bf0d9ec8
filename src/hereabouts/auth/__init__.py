"""Who: from a credential to an identity."""
