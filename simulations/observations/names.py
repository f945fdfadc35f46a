"""The names that describe a file of numbers, without the imports of what reads it."""

SEPARATORS = {"tab": "\t", "semicolon": ";", "bar": "|", "comma": ",", "blank": " ", "none": "\x1f"}
"""The separators of fields by name. ``blank`` is any number of blanks and tabs, ``none`` one field on each line."""

DECIMAL_MARKS = (".", ",")

MISSING_RULES = ("refuse", "drop")
"""What is done with missing values."""

ENCODINGS = (
    *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii"),
    *("latin-1", "cp1252", "iso8859-2", "iso8859-15", "cp437", "cp850", "cp1250", "cp1251", "koi8-r", "mac-roman"),
    *("gb18030", "big5", "shift_jis", "cp932", "euc_jp", "euc_kr"),
)
"""The encodings that can be chosen; every name that Python knows for one of them is accepted."""
