"""${message.capitalize()}."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def on(dialect: str, statement: str) -> None:
    """Run a statement that only one kind of database understands."""
    if op.get_bind().dialect.name == dialect:
        op.get_bind().exec_driver_sql(statement)


def upgrade() -> None:
    """Apply."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Refused: the trail cannot lose what it holds. Go back by restoring a backup."""
    raise RuntimeError("there is no way back; restore a backup")
