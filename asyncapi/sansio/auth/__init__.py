"""Pure parts of authentication: Digest, OAuth 2, Signature Version 4, masks for secrets."""
