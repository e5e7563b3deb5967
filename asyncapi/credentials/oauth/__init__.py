"""OAuth 2 and OpenID Connect credentials: one grant a file, over one authorization server."""
