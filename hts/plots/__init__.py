"""Pictures: one module each, a function that takes plain records and returns a matplotlib Figure.

Nothing here reads a profile or writes a file, and nothing uses pyplot, whose global state would tie a picture to the
one before and choose a window system. A Figure saves itself by the ending of the file's name.
"""
