"""Extensions of Sphinx for the site: source pages, statements, docstrings, notebooks, inventories, MathJax."""
