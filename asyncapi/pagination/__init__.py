"""Lists that span many responses: `Client.paginate`."""
