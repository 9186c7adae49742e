"""Identity: users, projects, roles, tokens and the catalog, as Keystone's v3 API tells of them."""
