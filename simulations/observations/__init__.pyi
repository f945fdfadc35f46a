from .read import read_sample as read_sample
from .read import take_sample as take_sample
from .sample import Dialect as Dialect
from .sample import Reading as Reading
from .sample import Sample as Sample
