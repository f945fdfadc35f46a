from .arrays import from_arrays as from_arrays
from .catalogue import load as load
from .catalogue import load_for as load_for
from .catalogue import load_labels as load_labels
from .images import ImageData as ImageData
from .images import Labels as Labels
from .images import as_images as as_images
from .images import resize as resize
