"""The page that one opens: three questions, each with a sentence and a picture, and one line for every experiment."""
