"""The part of Glue's package that Python shell scripts use, on the path of scripts that run here.

utils.py    getResolvedOptions
"""
