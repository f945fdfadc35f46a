from .build import Contents as Contents
from .build import make_page as make_page
from .page import Page as Page
