"""Did anything get worse since the reference? A panel is scored anew and compared cell by cell, with the doubt."""
