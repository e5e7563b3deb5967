"""Pure decisions about GraphQL: documents, results, subscriptions, results that come bit by bit."""
