from .callbacks import GroupWatcher as GroupWatcher
from .callbacks import Watcher as Watcher
