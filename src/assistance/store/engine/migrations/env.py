"""Alembic's entry: runs the migrations on the connection that `migrate` hands over."""

from alembic import context

from assistance.store.tables.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
