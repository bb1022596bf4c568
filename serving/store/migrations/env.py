"""Alembic's entry point: runs the migrations inside the transaction that serving.store.migrate opened."""

from alembic import context

from serving.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
