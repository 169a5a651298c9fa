"""The schema, one numbered step after the other; `store.models` says where they lead."""
