from .environment import environment as environment
from .run import Run as Run
from .run import RunInUse as RunInUse
from .run import find_run as find_run
