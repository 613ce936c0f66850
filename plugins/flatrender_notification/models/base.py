"""The declarative base of the notification schema."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from flatrender.db.models import TYPE_MAP


class Base(DeclarativeBase):
    """Base of every mapped table of this context."""

    metadata = MetaData(schema="notification")
    type_annotation_map = TYPE_MAP
