"""The file manager's tasks: abandoned uploads, old trash, objects to delete."""

from flatrender.plugin import PluginContext
from flatrender.tasks.task import Nothing, Schedule, Task
from flatrender_files.services.library import LibraryService
from flatrender_files.services.uploads import UploadService


async def expire_uploads(context: PluginContext, _payload: Nothing) -> None:
    """Close uploads that nobody finished."""
    await context.get(UploadService).expire()


async def purge_trash(context: PluginContext, _payload: Nothing) -> None:
    """Delete what lay 30 days in the trash."""
    await context.get(LibraryService).purge_trash()


async def delete_objects(context: PluginContext, _payload: Nothing) -> None:
    """Remove marked objects from the store."""
    await context.get(LibraryService).delete_objects()


EXPIRE = Task(name="files.expire_uploads", queue="cleanup", handler=expire_uploads)
PURGE = Task(name="files.purge_trash", queue="cleanup", handler=purge_trash)
DELETE = Task(name="files.delete_objects", queue="cleanup", handler=delete_objects, timeout=300)

TASKS = (EXPIRE, PURGE, DELETE)
SCHEDULES = (
    Schedule(task=EXPIRE, every=120.0),
    Schedule(task=PURGE, every=3600.0),
    Schedule(task=DELETE, every=60.0),
)
