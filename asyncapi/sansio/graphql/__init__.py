"""What GraphQL says over HTTP: the kind of an operation, requests, responses, and the codes of errors."""
